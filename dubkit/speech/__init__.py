"""Who speaks when, and what they say."""
