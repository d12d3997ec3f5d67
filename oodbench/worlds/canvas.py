"""The canvas of a scene: polygons from far to near, each with its colour, class and distance.

Each polygon is filled with its number; colours, labels and distances are looked up by that number afterwards. The
filling is integer arithmetic on coordinates in sixteenths of a pixel, so that labels are identical on all machines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from oodbench.types import VOID, Size

Color: TypeAlias = tuple[float, float, float]
"""Reflectance of red, green and blue, 0 to 1."""

Points: TypeAlias = NDArray[np.float64]
"""float64 [n, 2], (column, row) in pixels."""

_SHIFT = 4
# Coordinates are limited to this value, which is outside every image and inside the range of the filling.
_FAR_OUT = 8192.0


@dataclass(frozen=True)
class Paint:
    """Appearance and class of a surface.

    Attributes:
        color: Colour of the surface in neutral light.
        label: Class index or VOID.
        grain: Amplitude of the fine texture, as a share of the colour.
        mottle: Amplitude of the coarse texture.
        anomalous: Whether the surface belongs to an anomaly.
    """

    color: Color
    label: int
    grain: float = 0.02
    mottle: float = 0.05
    anomalous: bool = False

    def lit(self, factor: float) -> Paint:
        """Return the same surface with `factor` times the light."""
        red, green, blue = self.color
        color = (red * factor, green * factor, blue * factor)
        return Paint(color, self.label, self.grain, self.mottle, self.anomalous)

    def of(self, color: Color) -> Paint:
        """Return the same surface in another colour."""
        return Paint(color, self.label, self.grain, self.mottle, self.anomalous)


class Canvas:
    """The image under construction. Pixels without a polygon are void."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self.numbers = np.zeros(size, np.int32)
        self.paints: list[Paint] = [Paint((0.0, 0.0, 0.0), VOID)]
        self.distances: list[float] = [1.0]

    def polygon(self, points: Points, paint: Paint, distance: float) -> None:
        """Fill a polygon at a distance in metres."""
        self.polygons([points], paint, distance)

    def polygons(self, several: Sequence[Points] | Points, paint: Paint, distance: float) -> None:
        """Fill several polygons of one surface, a sequence or [m, n, 2]; overlapping polygons leave a hole."""
        self.paints.append(paint)
        self.distances.append(distance)
        _fill(self.numbers, several, len(self.paints) - 1)

    def shade(self, points: Points, factor: float) -> None:
        """Darken the pixels inside an outline; each surface there keeps its class and distance."""
        height, width = self.size
        left, top = np.clip(np.floor(points.min(axis=0)).astype(int), 0, (width, height))
        right, bottom = np.clip(np.ceil(points.max(axis=0)).astype(int) + 1, 0, (width, height))
        if left >= right or top >= bottom:
            return
        window = self.numbers[top:bottom, left:right]
        inside = np.zeros(window.shape, np.int32)
        _fill(inside, [points - np.array([left, top])], 1)
        covered = inside == 1
        before = window.copy()
        for number in np.unique(before[covered]).tolist():
            self.paints.append(self.paints[number].lit(factor))
            self.distances.append(self.distances[number])
            window[covered & (before == number)] = len(self.paints) - 1

    def labels(self) -> NDArray[np.uint8]:
        """Return the class of each pixel or VOID, uint8 [H, W]."""
        return np.array([paint.label for paint in self.paints], np.uint8)[self.numbers]

    def anomalous(self) -> NDArray[np.bool_]:
        """Return which pixels are anomalous, bool [H, W]."""
        return np.array([paint.anomalous for paint in self.paints], np.bool_)[self.numbers]


def _fill(target: NDArray[np.int32], several: Sequence[Points] | Points, number: int) -> None:
    # An array of polygons is converted at once, a sequence of different lengths one by one.
    contours = (
        list(_to_fixed_point(several))
        if isinstance(several, np.ndarray)
        else [_to_fixed_point(points) for points in several]
    )
    cv2.fillPoly(target, contours, number, lineType=cv2.LINE_8, shift=_SHIFT)


def _to_fixed_point(points: Points) -> NDArray[np.int32]:
    """Convert coordinates to sixteenths of a pixel."""
    scaled = np.floor(points * (1 << _SHIFT) + 0.5)
    limit = _FAR_OUT * (1 << _SHIFT)
    fixed: NDArray[np.int32] = np.minimum(np.maximum(scaled, -limit), limit).astype(np.int32)
    return fixed
