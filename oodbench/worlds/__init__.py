"""Procedural driving scenes with their labels."""

from oodbench.worlds.objects import ANOMALIES, OUTLIERS
from oodbench.worlds.render import SEED, SIZE, SPLITS, VERSION, RenderedFrame, render_frame

__all__ = ["ANOMALIES", "OUTLIERS", "SEED", "SIZE", "SPLITS", "VERSION", "RenderedFrame", "render_frame"]
