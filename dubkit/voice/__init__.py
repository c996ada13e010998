"""The dub: lines, timing, mix, loudness."""
