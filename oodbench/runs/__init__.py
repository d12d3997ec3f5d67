"""Readers of finished runs."""
