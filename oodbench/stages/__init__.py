"""Stages of the computation that a run makes of its plan."""
