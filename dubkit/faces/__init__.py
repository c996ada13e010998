"""Shots, faces, tracks, identities."""
