"""Rendering of score maps as images."""
