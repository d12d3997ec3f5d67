"""A pinhole camera that looks along the road. Metres: x to the right, y up from the ground, z ahead."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oodbench.types import Size
from oodbench.worlds.canvas import Points

NEAREST = 2.2
"""Metres; what lies nearer is below the picture's lower edge."""


@dataclass(frozen=True)
class Camera:
    """Where it stands and how it looks.

    Attributes:
        size: (height, width) of the picture.
        focal: focal length in pixels.
        height: of the camera above the ground, in metres.
        horizon: row of the horizon.
        centre: column straight ahead.
        bend: curvature of the road, 1 / metres; positive bends right.
    """

    size: Size
    focal: float
    height: float
    horizon: float
    centre: float
    bend: float

    def project(self, x: ArrayLike, y: ArrayLike, z: ArrayLike) -> Points:
        """float64 [..., 2] (column, row) of points [...]; x is measured from the road's bent axis."""
        scale = self.focal / np.maximum(np.asarray(z, np.float64), 0.5)
        column = self.centre + scale * np.asarray(x, np.float64) + 0.5 * self.bend * self.focal**2 / scale
        row = self.horizon + scale * (self.height - np.asarray(y, np.float64))
        points = np.empty((*np.broadcast_shapes(column.shape, row.shape), 2))
        points[..., 0], points[..., 1] = column, row
        return points

    def row(self, z: float) -> float:
        """The row of the ground at a distance."""
        return self.horizon + self.focal * self.height / z

    def distance(self, row: float) -> float:
        """The distance of the ground at a row below the horizon."""
        return self.focal * self.height / max(row - self.horizon, 0.5)

    def across(self, column: float, z: float) -> float:
        """The x of a column at a distance."""
        return (column - self.centre) * z / self.focal - 0.5 * self.bend * z * z

    def scale(self, z: float) -> float:
        """Pixels a metre at a distance."""
        return self.focal / z

    def depths(self, far: float, steps: int) -> NDArray[np.float64]:
        """Distances from the nearest to `far`, dense where the picture is."""
        return (
            self.focal
            * self.height
            / np.linspace(self.focal * self.height / NEAREST, self.focal * self.height / far, steps)
        )
