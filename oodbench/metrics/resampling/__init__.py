"""Uncertainty of metrics, estimated from resampled frames."""
