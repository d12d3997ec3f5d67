"""Measurements of score maps, from which metrics are computed without the maps: of one frame, and of many frames."""
