"""Sheets and reports for a person's eye."""
