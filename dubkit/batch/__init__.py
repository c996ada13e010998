"""Many titles, many languages."""
