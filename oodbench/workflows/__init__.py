"""Whole jobs, one per verb of the command line."""
