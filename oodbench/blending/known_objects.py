"""Ordinary things, cut out of the labelled frames themselves: whole, and with nothing in front of them."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from oodbench.blending.appearance import Look, ground_color
from oodbench.blending.cutout import RIM, Cutout, trimmed
from oodbench.blending.ground_plane import Ground, whole
from oodbench.blending.instances import ORDINARY, Thing, things
from oodbench.blending.matting import matte
from oodbench.types import RGBImage, SemanticLabels

# Smaller ones have no inside left once their border is off.
_TALL = 0.045
# Less of their box is covered only where something hides a part; a row of things is too wide.
_FILL = {"car": 0.6, "van": 0.6, "truck": 0.6, "bus": 0.6, "person": 0.35, "pedestrian": 0.35}
_WIDE = 3.2
_PLAUSIBLE = (0.8, 1.3)
# Around the outline, so many pixels wide, no more than that share may be in front.
_RING = 5
_IN_FRONT = 0.04


def ordinary(image: RGBImage, labels: SemanticLabels, ground: Ground, look: Look) -> Iterator[Cutout]:
    """The things of a frame that can be cut out.

    They stand on the ground, aren't cut off by the picture, have the size of their kind where they stand, and nothing
    in front of them.
    """
    for thing in things(labels, _FILL):
        height, width = thing.inside.shape
        tall = height / max(ground.scale(thing.bottom), 1e-9) / ORDINARY[thing.name]
        if (
            height >= _TALL * ground.size[0]
            and width <= _WIDE * height
            and thing.inside.mean() >= _FILL[thing.name]
            and _PLAUSIBLE[0] < tall < _PLAUSIBLE[1]
            and whole(thing, ground.size)
            and _stands_free(thing, ground)
        ):
            yield _cut(thing, image, ground, look)


def _stands_free(thing: Thing, ground: Ground) -> bool:
    rows, columns = ground.size
    top, left = max(thing.top - _RING, 0), max(thing.left - _RING, 0)
    window = np.s_[top : min(thing.bottom + _RING, rows), left : min(thing.right + _RING, columns)]
    inside = np.zeros((window[0].stop - top, window[1].stop - left), np.uint8)
    inside[thing.top - top :, thing.left - left :][: thing.inside.shape[0], : thing.inside.shape[1]] = thing.inside
    ring = (cv2.dilate(inside, np.ones((2 * _RING + 1, 2 * _RING + 1), np.uint8)) > 0) & (inside == 0)
    below = ring & (np.arange(window[0].start, window[0].stop)[:, None] > thing.bottom)
    in_front = (ground.standing[window] > thing.bottom - thing.height // 8) | ground.void[window]
    floor = (ground.road | ground.walks)[window]
    return bool(in_front[ring].mean() < _IN_FRONT and below.any() and floor[below].mean() > 0.8)


def _cut(thing: Thing, image: RGBImage, ground: Ground, look: Look) -> Cutout:
    color, alpha = trimmed(*matte(image, thing), RIM)
    within = np.s_[RIM:-RIM, RIM:-RIM]
    return Cutout(
        thing.name,
        color[within],
        alpha[within],
        metres=thing.height / ground.scale(thing.bottom),
        blur=look.blur,
        noise=look.noise,
        ground=ground_color(image, ground, thing.left, thing.right, thing.bottom),
        rim=(color, alpha),
    )
