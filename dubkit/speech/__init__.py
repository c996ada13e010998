"""Who speaks when, and what."""
