"""Decides what a run will do before anything is computed."""
