"""Torch modules as segmenters."""
