"""The film that comes out: only what changed is changed."""
