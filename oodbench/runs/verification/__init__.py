"""Checks that `oodbench verify` makes of a run."""
