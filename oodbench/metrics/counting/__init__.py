"""Exact counts of scores by label, on integer keys."""
