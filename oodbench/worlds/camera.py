"""A pinhole camera that looks along the road. Coordinates in metres: x to the right, y up from the ground, z ahead."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oodbench.types import Size
from oodbench.worlds.canvas import Points

NEAREST = 2.2
"""Minimum distance in metres; nearer ground is below the lower edge of the image."""


@dataclass(frozen=True)
class Camera:
    """Position and orientation of the camera.

    Attributes:
        size: (height, width) of the image.
        focal: Focal length in pixels.
        height: Height of the camera above the ground in metres.
        horizon: Row of the horizon.
        centre: Column straight ahead.
        bend: Curvature of the road in 1 / metres; positive values bend right.
    """

    size: Size
    focal: float
    height: float
    horizon: float
    centre: float
    bend: float

    def project(self, x: ArrayLike, y: ArrayLike, z: ArrayLike) -> Points:
        """Project points [...] to the image, float64 [..., 2] as (column, row).

        x is measured from the axis of the curved road.
        """
        scale = self.focal / np.maximum(np.asarray(z, np.float64), 0.5)
        column = self.centre + scale * np.asarray(x, np.float64) + 0.5 * self.bend * self.focal**2 / scale
        row = self.horizon + scale * (self.height - np.asarray(y, np.float64))
        points = np.empty((*np.broadcast(column, row).shape, 2))
        points[..., 0], points[..., 1] = column, row
        return points

    def row(self, z: float) -> float:
        """Return the row of the ground at a distance."""
        return self.horizon + self.focal * self.height / z

    def distance(self, row: float) -> float:
        """Return the distance of the ground at a row below the horizon."""
        return self.focal * self.height / max(row - self.horizon, 0.5)

    def across(self, column: float, z: float) -> float:
        """Return x of a column at a distance."""
        return (column - self.centre) * z / self.focal - 0.5 * self.bend * z * z

    def scale(self, z: float) -> float:
        """Return pixels per metre at a distance."""
        return self.focal / z

    def depths(self, far: float, steps: int) -> NDArray[np.float64]:
        """Return distances from the nearest ground to `far`, evenly spaced in image rows."""
        return (
            self.focal
            * self.height
            / np.linspace(self.focal * self.height / NEAREST, self.focal * self.height / far, steps)
        )
