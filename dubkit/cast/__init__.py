"""Whose voice is which face."""
