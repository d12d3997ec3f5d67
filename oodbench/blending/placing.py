"""Where things come to stand: on the ground, as large as things are there, with nothing nearer in front of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oodbench.blending.cutout import Cutout
from oodbench.blending.ground import Ground, Place
from oodbench.worlds.dice import Dice

_NEAREST, _FARTHEST = 6.0, 55.0
# In shares of the frame's height.
_SMALLEST, _TALLEST = 0.012, 0.6
# A cut-out is hardly ever enlarged, which would leave it softer than the frame.
_ENLARGED = 1.05
# Pixels; less is no thing.
_LEAST = 6
_TRIES = 60
_APART = 6
# Of the foot's pixels on the ground, and of the box's pixels in front of which something nearer stands.
_ON_GROUND = 0.97
_HIDDEN = 0.002


def find_place(cutout: Cutout, ground: Ground, taken: list[Place], dice: Dice, *, beside: bool = False) -> Place | None:
    """A place for it; None where the dice found none.

    Args:
        cutout: what is to stand there.
        ground: of the frame.
        taken: where others stand already; boxes don't overlap.
        dice: distance, evenly in its logarithm, and column.
        beside: whether it may stand beside the road, too.
    """
    floor = ground.road | ground.walks if beside else ground.road
    rows, columns = ground.size
    for _ in range(_TRIES):
        distance = _NEAREST * (_FARTHEST / _NEAREST) ** dice.uniform(0, 1)
        across = dice.uniform(0, 1)
        bottom = int(ground.row(distance))
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
