"""What a scene is painted on: polygons from far to near, each with its colour, class and distance.

Each polygon is drawn once, as its number; colours, labels and distances are looked up by that number afterwards. The
filling is integer arithmetic on coordinates in sixteenths of a pixel, so labels are the same bits everywhere.
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
"""Reflected light, red first, 0 to 1."""

Points: TypeAlias = NDArray[np.float64]
"""float64 [n, 2], (column, row) in pixels."""

_SHIFT = 4
# Beyond this a coordinate only ever leaves the picture, and would leave the range of the filling too.
_FAR_OUT = 8192.0


@dataclass(frozen=True)
class Paint:
    """How a surface looks, and what it is.

    Attributes:
        color: of the surface in plain light.
        label: index of its class, or VOID.
        grain: amplitude of its fine texture, as a share of the colour.
        mottle: amplitude of its coarse texture.
        anomalous: whether it belongs to an anomaly.
    """

    color: Color
    label: int
    grain: float = 0.02
    mottle: float = 0.05
    anomalous: bool = False

    def lit(self, factor: float) -> Paint:
        """The same surface with `factor` times the light on it."""
        red, green, blue = self.color
        color = (red * factor, green * factor, blue * factor)
        return Paint(color, self.label, self.grain, self.mottle, self.anomalous)

    def of(self, color: Color) -> Paint:
        """The same surface in another colour."""
        return Paint(color, self.label, self.grain, self.mottle, self.anomalous)


class Canvas:
    """The picture under way. What was never painted is void."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self.numbers = np.zeros(size, np.int32)
        self.paints: list[Paint] = [Paint((0.0, 0.0, 0.0), VOID)]
        self.distances: list[float] = [1.0]

    def polygon(self, points: Points, paint: Paint, distance: float) -> None:
        """Fill a polygon; `distance` in metres."""
        self.polygons([points], paint, distance)

    def polygons(self, several: Sequence[Points] | Points, paint: Paint, distance: float) -> None:
        """Fill several polygons, a sequence or [m, n, 2], of one surface; where two overlap there is a hole."""
        self.paints.append(paint)
        self.distances.append(distance)
        _fill(self.numbers, several, len(self.paints) - 1)

    def shade(self, points: Points, factor: float) -> None:
        """Darken what lies inside the outline; each surface there keeps its class and its distance."""
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
        """uint8 [H, W], the class of each pixel or VOID."""
        return np.array([paint.label for paint in self.paints], np.uint8)[self.numbers]

    def anomalous(self) -> NDArray[np.bool_]:
        """bool [H, W]."""
        return np.array([paint.anomalous for paint in self.paints], np.bool_)[self.numbers]


def _fill(target: NDArray[np.int32], several: Sequence[Points] | Points, number: int) -> None:
    # One conversion for an array of polygons, one each for a sequence of several lengths.
    contours = list(_fixed(several)) if isinstance(several, np.ndarray) else [_fixed(points) for points in several]
    cv2.fillPoly(target, contours, number, lineType=cv2.LINE_8, shift=_SHIFT)


def _fixed(points: Points) -> NDArray[np.int32]:
    """Coordinates in sixteenths of a pixel."""
    scaled = np.floor(points * (1 << _SHIFT) + 0.5)
    limit = _FAR_OUT * (1 << _SHIFT)
    fixed: NDArray[np.int32] = np.minimum(np.maximum(scaled, -limit), limit).astype(np.int32)
    return fixed
