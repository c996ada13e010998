"""The demo film, made from public-domain portraits and embedded voices."""
