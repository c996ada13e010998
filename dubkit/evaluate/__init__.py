"""Metrics, each an arithmetic function."""
