"""Keeps the artifacts of a run."""
