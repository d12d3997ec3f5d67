"""Measurements of score maps, from which all metrics are computed."""
