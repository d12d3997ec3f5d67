"""Choice of object positions: on the ground, at a plausible size, and not occluded."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oodbench.blending.cutout import Cutout
from oodbench.blending.ground_plane import CAMERA_HEIGHT, Ground, Place
from oodbench.worlds.dice import Dice

_NEAREST, _FARTHEST = 6.0, 55.0
# As shares of the frame's height.
_SMALLEST, _TALLEST = 0.012, 0.6
# Maximum enlargement of a cut-out, because enlarged objects are softer than the frame.
_ENLARGED = 1.05
# Tolerance of an object's height, which varies within a kind and is not measured exactly.
_OFF = 0.03
# Minimum height in pixels.
_LEAST = 6
_TRIES = 60
_APART = 6
# Minimum share of the foot's pixels on the ground, and maximum share of the box that nearer objects hide.
_ON_GROUND = 0.97
_HIDDEN = 0.002


def find_place(
    cutout: Cutout,
    ground: Ground,
    taken: list[Place],
    dice: Dice,
    *,
    allow_roadside: bool = False,
    keep_size: bool = False,
) -> Place | None:
    """Find a place for a cut-out; return None if all random tries fail.

    Args:
        cutout: Cut-out to place.
        ground: Ground of the frame.
        taken: Places of other objects; boxes do not overlap.
        dice: Source of random choices: the distance, uniform in its logarithm, and the column.
        allow_roadside: Whether places next to the road are allowed.
        keep_size: Whether the object keeps its own size in pixels, and is placed at the distance where that size fits.
            Resizing then changes its sharpness in neither direction.
    """
    floor = ground.road | ground.walks if allow_roadside else ground.road
    rows, columns = ground.size
    for _ in range(_TRIES):
        chance, across = dice.uniform(0, 1), dice.uniform(0, 1)
        if keep_size:
            bottom, height, width = _find_row_at_scale(cutout, ground, chance), *cutout.size
            if not _NEAREST <= ground.distance(bottom) <= _FARTHEST:
                continue
        else:
            bottom = int(ground.row(_NEAREST * (_FARTHEST / _NEAREST) ** chance))
            height = round(cutout.metres * ground.scale(bottom))
            width = cutout.width(max(height, 1))
        if not max(_SMALLEST * rows, _LEAST) <= height <= min(_TALLEST * rows, _ENLARGED * cutout.size[0]):
            continue
        if bottom > ground.lowest or bottom <= height or width >= columns:
            continue
        place = Place(int(across * (columns - width)), bottom, height, width)
        if _is_free(place, ground, floor, taken):
            return place
    return None


def _find_row_at_scale(cutout: Cutout, ground: Ground, chance: float) -> int:
    """Find the row at which the object is about as high as its own pixels."""
    metres = cutout.metres * (1.0 + _OFF * (2.0 * chance - 1.0))
    return round(ground.horizon + CAMERA_HEIGHT * cutout.size[0] / metres)


def _is_free(place: Place, ground: Ground, floor: NDArray[np.bool_], taken: list[Place]) -> bool:
    if any(_overlaps(place, other) for other in taken):
        return False
    foot = floor[place.bottom - max(place.height // 25, 1) : place.bottom + 2, place.left : place.right]
    if foot.mean() < _ON_GROUND:
        return False
    box = ground.standing[place.top : place.bottom, place.left : place.right]
    return bool((box > place.bottom).mean() <= _HIDDEN)


def _overlaps(one: Place, other: Place) -> bool:
    across = min(one.right, other.right) - max(one.left, other.left)
    down = min(one.bottom, other.bottom) - max(one.top, other.top)
    return across > -_APART and down > -_APART
