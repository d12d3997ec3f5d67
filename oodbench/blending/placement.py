"""Where things come to stand: on the ground, as large as things are there, with nothing nearer in front of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oodbench.blending.cutout import Cutout
from oodbench.blending.ground_plane import CAMERA_HEIGHT, Ground, Place
from oodbench.worlds.dice import Dice

_NEAREST, _FARTHEST = 6.0, 55.0
# In shares of the frame's height.
_SMALLEST, _TALLEST = 0.012, 0.6
# A cut-out is hardly ever enlarged, which would leave it softer than the frame.
_ENLARGED = 1.05
# Things of a kind are not all of one height, and none is measured to the pixel: by so much they may be off.
_OFF = 0.03
# Pixels; less is no thing.
_LEAST = 6
_TRIES = 60
_APART = 6
# Of the foot's pixels on the ground, and of the box's pixels in front of which something nearer stands.
_ON_GROUND = 0.97
_HIDDEN = 0.002


def find_place(
    cutout: Cutout, ground: Ground, taken: list[Place], dice: Dice, *, beside: bool = False, as_large: bool = False
) -> Place | None:
    """A place for it; None where the dice found none.

    Args:
        cutout: what is to stand there.
        ground: of the frame.
        taken: where others stand already; boxes don't overlap.
        dice: distance, evenly in its logarithm, and column.
        beside: whether it may stand beside the road, too.
        as_large: whether it is to have the size of its own pixels, and so the distance at which that is its size; then
            it is neither softened nor made sharper by resizing.
    """
    floor = ground.road | ground.walks if beside else ground.road
    rows, columns = ground.size
    for _ in range(_TRIES):
        chance, across = dice.uniform(0, 1), dice.uniform(0, 1)
        if as_large:
            bottom, height, width = _own_row(cutout, ground, chance), *cutout.size
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
        if _fits(place, ground, floor, taken):
            return place
    return None


def _own_row(cutout: Cutout, ground: Ground, chance: float) -> int:
    """Where it is as tall as its own pixels, or nearly so."""
    metres = cutout.metres * (1.0 + _OFF * (2.0 * chance - 1.0))
    return round(ground.horizon + CAMERA_HEIGHT * cutout.size[0] / metres)


def _fits(place: Place, ground: Ground, floor: NDArray[np.bool_], taken: list[Place]) -> bool:
    if any(_overlap(place, other) for other in taken):
        return False
    foot = floor[place.bottom - max(place.height // 25, 1) : place.bottom + 2, place.left : place.right]
    if foot.mean() < _ON_GROUND:
        return False
    box = ground.standing[place.top : place.bottom, place.left : place.right]
    return bool((box > place.bottom).mean() <= _HIDDEN)


def _overlap(one: Place, other: Place) -> bool:
    across = min(one.right, other.right) - max(one.left, other.left)
    down = min(one.bottom, other.bottom) - max(one.top, other.top)
    return across > -_APART and down > -_APART
