"""Artifacts of a run on disk."""
