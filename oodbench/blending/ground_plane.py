"""Where the ground is, and how large things on it are seen.

A camera at height c above flat ground sees what stands at a row r below its horizon h with (r - h) / c pixels a metre,
whatever its focal length is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oodbench.blending.instances import BESIDE, ORDINARY, ROADS, THIN, Thing, mask, things
from oodbench.types import VOID, SemanticLabels, Size

CAMERA_HEIGHT = 1.25
"""Metres; of a camera behind the windscreen of a car."""
HORIZON = 0.42
"""Share of the picture above the horizon, where nothing tells; and what labels tell is within .08 of it."""
FOCAL = 1.1
"""Focal length by the picture's width. It decides on distances, which is to say on haze; sizes don't need it."""

_SPREAD = 0.08
# Pixels between a whole thing and the border of the picture, at least.
_BORDER = 4
# A road that is not labelled: so many metres to either side of the middle.
_HALF_ROAD = 3.0
# Below that share of the picture the hood of the car may be seen.
_LOWEST = 0.84


@dataclass(frozen=True)
class Ground:
    """The ground of one frame.

    Attributes:
        size: (height, width) of the frame.
        horizon: its row.
        road: bool [H, W].
        walks: bool [H, W], ground beside the road.
        standing: int32 [H, W], the row at which the thing stands that is seen there; 0 where there is none.
        void: bool [H, W], what the labels leave open.
    """

    size: Size
    horizon: float
    road: NDArray[np.bool_]
    walks: NDArray[np.bool_]
    standing: NDArray[np.int32]
    void: NDArray[np.bool_]

    def scale(self, row: float) -> float:
        """Pixels a metre of what stands at a row."""
        return max(row - self.horizon, 0.0) / CAMERA_HEIGHT

    def distance(self, row: float) -> float:
        """Metres to the ground at a row."""
        return FOCAL * self.size[1] * CAMERA_HEIGHT / max(row - self.horizon, 0.5)

    def row(self, distance: float) -> float:
        """The row of the ground at a distance in metres."""
        return self.horizon + FOCAL * self.size[1] * CAMERA_HEIGHT / distance

    @property
    def lowest(self) -> int:
        """The last row at which something may stand."""
        return int(_LOWEST * self.size[0])


@dataclass(frozen=True)
class Place:
    """Where a thing stands.

    Attributes:
        left: its first column.
        bottom: the row below its last one.
        height, width: in pixels.
    """

    left: int
    bottom: int
    height: int
    width: int

    @property
    def top(self) -> int:
        """Its first row."""
        return self.bottom - self.height

    @property
    def right(self) -> int:
        """The column beyond its last one."""
        return self.left + self.width


def ground_of(labels: SemanticLabels | None, size: Size) -> Ground:
    """The ground by a frame's labels; without labels the usual horizon, and a road straight ahead."""
    if labels is None:
        return _assumed(size)
    road = mask(labels, ROADS)
    standing = np.zeros(size, np.int32)
    for thing in things(labels, (*ORDINARY, *THIN)):
        standing[thing.box][thing.inside] = thing.bottom
    return Ground(size, _horizon(labels, road), road, mask(labels, BESIDE), standing, labels.values == VOID)


def _horizon(labels: SemanticLabels, road: NDArray[np.bool_]) -> float:
    """By the sizes of ordinary things, and never below the upper end of the road."""
    rows, columns = road.shape
    told = [
        thing.bottom - thing.height * CAMERA_HEIGHT / ORDINARY[thing.name]
        for thing in things(labels, ("car", "person", "pedestrian"))
        if thing.height > 0.03 * rows and whole(thing, (rows, columns))
    ]
    horizon = float(np.median(told)) if len(told) > 1 else HORIZON * rows
    seen = np.flatnonzero(road.sum(axis=1) > 0.005 * columns)
    if len(seen):
        horizon = min(horizon, float(seen[0]))
    return float(np.clip(horizon, (HORIZON - _SPREAD) * rows, (HORIZON + _SPREAD) * rows))


def whole(thing: Thing, size: Size) -> bool:
    """Whether the picture's border cuts nothing off."""
    return min(thing.left, thing.top, size[1] - thing.right, size[0] - thing.bottom) > _BORDER


def _assumed(size: Size) -> Ground:
    horizon = HORIZON * size[0]
    rows, columns = np.arange(size[0])[:, None], np.arange(size[1])[None, :]
    half = np.maximum(rows - horizon, 0.0) / CAMERA_HEIGHT * _HALF_ROAD
    road = np.abs(columns - size[1] / 2) < half
    empty = np.zeros(size, np.bool_)
    return Ground(size, horizon, road, empty, np.zeros(size, np.int32), empty)
