"""Uncertainty of metrics, from resampled frames."""
