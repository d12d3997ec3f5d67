"""Outlines in a plane: float64 [n, 2], (right, up)."""

from __future__ import annotations

from functools import cache

import numpy as np

from oodbench.worlds.canvas import Points
from oodbench.worlds.dice import Dice


def rectangle(left: float, low: float, right: float, high: float) -> Points:
    """Return the corners of a rectangle from (left, low) to (right, high)."""
    return np.array([[left, low], [right, low], [right, high], [left, high]])


def ellipse(right: float, up: float, half_width: float, half_height: float, corners: int = 18) -> Points:
    """Return an ellipse around the centre (right, up)."""
    outline: Points = _circle(corners) * np.array([half_width, half_height]) + np.array([right, up])
    return outline


def blob(dice: Dice, half_width: float, half_height: float, corners: int = 14, rough: float = 0.25) -> Points:
    """Return an irregular outline around the origin."""
    radius = 1.0 - rough * dice.uniforms(corners)
    return ellipse(0.0, 0.0, half_width, half_height, corners) * radius[:, None]


def bar(start: tuple[float, float], end: tuple[float, float], width: float, end_width: float | None = None) -> Points:
    """Return a straight limb from `start` to `end` with the given widths at both ends."""
    first, last = np.array(start), np.array(end)
    along = last - first
    normal = np.array([-along[1], along[0]]) / max(float(np.sqrt(along @ along)), 1e-9)
    near, far = normal * width / 2, normal * (width if end_width is None else end_width) / 2
    return np.array([first - near, first + near, last + far, last - far])


@cache
def _circle(corners: int) -> Points:
    angles = np.arange(corners) * (2 * np.pi / corners)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)
