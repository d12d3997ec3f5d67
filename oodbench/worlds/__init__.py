"""Procedural driving scenes with their labels."""

from oodbench.worlds.objects import ANOMALIES, OUTLIERS
from oodbench.worlds.streets import SEED, SIZE, SPLITS, VERSION, Drawing, draw

__all__ = ["ANOMALIES", "OUTLIERS", "SEED", "SIZE", "SPLITS", "VERSION", "Drawing", "draw"]
