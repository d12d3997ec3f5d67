"""Uncertainty of metrics by resampling frames."""
