"""The ground of a frame, and the size at which objects on it appear.

A camera at height c above flat ground has its horizon at row h. It sees an object whose lowest row is r with
(r - h) / c pixels per metre, regardless of the focal length.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oodbench.blending.instances import (
    KNOWN_HEIGHTS,
    ROAD_CLASSES,
    ROADSIDE_CLASSES,
    THIN_CLASSES,
    Instance,
    find_instances,
    make_class_mask,
)
from oodbench.types import VOID, SemanticLabels, Size

CAMERA_HEIGHT = 1.25
"""Height in metres of a camera behind the windscreen of a car."""
HORIZON = 0.42
"""Default share of the image above the horizon. Estimates from labels are limited to within 0.08 of it."""
FOCAL = 1.1
"""Focal length relative to the image width. It affects distances and therefore haze, but not sizes."""

_SPREAD = 0.08
# Minimum distance in pixels between an uncropped object and the border of the image.
_BORDER = 4
# Assumed road without labels: metres to each side of the centre.
_HALF_ROAD = 3.0
# Share of the image height below which the hood of the car may be visible.
_LOWEST = 0.84


@dataclass(frozen=True)
class Ground:
    """The ground of one frame.

    Attributes:
        size: (height, width) of the frame.
        horizon: Row of the horizon.
        road: bool [H, W].
        walks: bool [H, W], ground next to the road.
        standing: int32 [H, W], the row at which the object visible at a pixel stands; 0 if there is none.
        void: bool [H, W], unlabelled pixels.
    """

    size: Size
    horizon: float
    road: NDArray[np.bool_]
    walks: NDArray[np.bool_]
    standing: NDArray[np.int32]
    void: NDArray[np.bool_]

    def scale(self, row: float) -> float:
        """Return pixels per metre for an object whose lowest row is `row`."""
        return max(row - self.horizon, 0.0) / CAMERA_HEIGHT

    def distance(self, row: float) -> float:
        """Return the distance in metres of the ground at a row."""
        return FOCAL * self.size[1] * CAMERA_HEIGHT / max(row - self.horizon, 0.5)

    def row(self, distance: float) -> float:
        """Return the row of the ground at a distance in metres."""
        return self.horizon + FOCAL * self.size[1] * CAMERA_HEIGHT / distance

    @property
    def lowest(self) -> int:
        """Return the last row at which an object may stand."""
        return int(_LOWEST * self.size[0])


@dataclass(frozen=True)
class Place:
    """The box of an object on the ground.

    Attributes:
        left: First column.
        bottom: Row below the last one.
        height, width: Size in pixels.
    """

    left: int
    bottom: int
    height: int
    width: int

    @property
    def top(self) -> int:
        """Return the first row."""
        return self.bottom - self.height

    @property
    def right(self) -> int:
        """Return the column after the last one."""
        return self.left + self.width


def estimate_ground(labels: SemanticLabels | None, size: Size) -> Ground:
    """Estimate the ground from a frame's labels. Without labels, assume the default horizon and a straight road."""
    if labels is None:
        return _assume_ground(size)
    road = make_class_mask(labels, ROAD_CLASSES)
    standing = np.zeros(size, np.int32)
    for instance in find_instances(labels, (*KNOWN_HEIGHTS, *THIN_CLASSES)):
        standing[instance.box][instance.inside] = instance.bottom
    return Ground(
        size,
        _estimate_horizon(labels, road),
        road,
        make_class_mask(labels, ROADSIDE_CLASSES),
        standing,
        labels.values == VOID,
    )


def _estimate_horizon(labels: SemanticLabels, road: NDArray[np.bool_]) -> float:
    """Estimate the horizon from the sizes of known objects; it is never below the upper end of the road."""
    rows, columns = road.shape
    rows_by_size = [
        instance.bottom - instance.height * CAMERA_HEIGHT / KNOWN_HEIGHTS[instance.name]
        for instance in find_instances(labels, ("car", "person", "pedestrian"))
        if instance.height > 0.03 * rows and is_uncropped(instance, (rows, columns))
    ]
    horizon = float(np.median(rows_by_size)) if len(rows_by_size) > 1 else HORIZON * rows
    road_rows = np.flatnonzero(road.sum(axis=1) > 0.005 * columns)
    if len(road_rows):
        horizon = min(horizon, float(road_rows[0]))
    return float(np.clip(horizon, (HORIZON - _SPREAD) * rows, (HORIZON + _SPREAD) * rows))


def is_uncropped(instance: Instance, size: Size) -> bool:
    """Return whether the border of the image cuts off no part of the object."""
    return min(instance.left, instance.top, size[1] - instance.right, size[0] - instance.bottom) > _BORDER


def _assume_ground(size: Size) -> Ground:
    horizon = HORIZON * size[0]
    rows, columns = np.arange(size[0])[:, None], np.arange(size[1])[None, :]
    half = np.maximum(rows - horizon, 0.0) / CAMERA_HEIGHT * _HALF_ROAD
    road = np.abs(columns - size[1] / 2) < half
    empty = np.zeros(size, np.bool_)
    return Ground(size, horizon, road, empty, np.zeros(size, np.int32), empty)
