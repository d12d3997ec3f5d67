"""Decisions on what a run computes, made before it computes anything."""
