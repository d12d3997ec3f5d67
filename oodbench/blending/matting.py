"""How much of each pixel near a drawn outline is the thing: the outline is a pixel or two off, the picture is not.

The guided filter (He, Sun, Tang, "Guided Image Filtering", TPAMI 2013) fits the drawn mask, in each small window, by a
linear function of the colours, and so moves its border to where the colours change. Where the thing differs from what
is behind it, a pixel's place between the two colours tells more, and counts more.

What a pixel of the border shows is thing and background in these shares. The background goes on behind the thing much
as it is beside it, so that the thing's own colour is what is left: with its grain, and with nothing of the background.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from oodbench.blending.instances import Thing
from oodbench.blending.soft import softened, spread
from oodbench.types import RGBImage

MARGIN = 5
"""Pixels by which a matte is larger than the thing's box, to every side."""

_RADIUS = 4
# Of colours from 0 to 1: contrasts below its root, some two grey levels, move no border.
_EPSILON = 1e-4
# What drawing may be off by, inward and outward.
_INWARD, _OUTWARD = 3, 2
# The filter's result is flatter than a lens, and noise makes teeth of it: steeper, softened, and steeper again.
_STEEPER, _TEETH, _ANEW = 1.7, 1.0, 1.5
# Of colours from 0 to 1: the square of a contrast, 20 grey levels in all, that tells as much as the fit does.
_ALIKE = 0.006
# Less of the thing than that in a pixel says nothing sure of its colour, and more than the other is as good as all.
_FAINT, _HALF, _WHOLE = 0.02, 0.6, 0.95
# Colours go on beyond where they are known: from close by, and from farther where nothing is close.
_NEAR = (1.5, 3.0, 6.0, 12.0)


def matte(image: RGBImage, thing: Thing) -> tuple[RGBImage, NDArray[np.uint8]]:
    """The thing's own colours and its opacity.

    Args:
        image: uint8 [H, W, 3].
        thing: as drawn, more than `MARGIN` pixels away from the picture's border.

    Returns:
        uint8 [h, w, 3] and uint8 [h, w], each `MARGIN` larger than the thing's box.
    """
    window = image[thing.top - MARGIN : thing.bottom + MARGIN, thing.left - MARGIN : thing.right + MARGIN]
    drawn = np.pad(thing.inside, MARGIN).astype(np.uint8)
    guide = np.asarray(window / 255, np.float32)
    fitted = _STEEPER * (_guided(guide, drawn.astype(np.float32)) - 0.5) + 0.5
    inside = cv2.erode(drawn, _disc(_INWARD)) > 0
    near = cv2.dilate(drawn, _disc(_OUTWARD)) > 0
    likely = _between(guide, _beyond(guide, inside), _beyond(guide, ~near), np.clip(fitted, 0.0, 1.0))
    opacity = np.where(inside, 1.0, np.where(near, likely, 0.0)).astype(np.float32)
    opacity = np.clip(_ANEW * (softened(opacity, _TEETH) - 0.5) + 0.5, 0.0, 1.0)
    colors = _own(guide, opacity)
    return (255 * np.clip(colors, 0, 1) + 0.5).astype(np.uint8), (255 * opacity + 0.5).astype(np.uint8)


def _between(
    shown: NDArray[np.float32], thing: NDArray[np.float32], behind: NDArray[np.float32], fitted: NDArray[np.float32]
) -> NDArray[np.float32]:
    """How far each colour is on the way from what is behind to the thing; as fitted where the two are alike."""
    way = thing - behind
    along = ((shown - behind) * way).sum(axis=2) + _ALIKE * fitted
    return np.asarray(np.clip(along / ((way**2).sum(axis=2) + _ALIKE), 0.0, 1.0), np.float32)


def _own(shown: NDArray[np.float32], opacity: NDArray[np.float32]) -> NDArray[np.float32]:
    """The thing's colours, float32 [h, w, 3], of those that are shown: without its background's share of each pixel."""
    share = opacity[:, :, None]
    behind = _beyond(shown, opacity < _FAINT)
    left = (shown - (1.0 - share) * behind) / np.maximum(share, 1e-3)
    sure = np.clip(2.0 * share / _HALF - 1.0, 0.0, 1.0)
    return np.asarray(sure * left + (1.0 - sure) * _beyond(shown, opacity > _WHOLE), np.float32)


def _beyond(color: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Colours, float32 [h, w, 3], that go on beyond the pixels at which they are known."""
    weight = known.astype(np.float32)
    result, settled = np.zeros_like(color), np.zeros_like(weight)
    for across in _NEAR:
        share = np.clip(10.0 * softened(weight, across), 0.0, 1.0) * (1.0 - settled)
        result += share[:, :, None] * spread(color, weight, across)
        settled += share
    return np.asarray(result / np.maximum(settled, 1e-4)[:, :, None], np.float32)


def _disc(radius: int) -> NDArray[np.uint8]:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)).astype(np.uint8)


def _guided(guide: NDArray[np.float32], mask: NDArray[np.float32]) -> NDArray[np.float32]:
    """The guided filter's output, float32 [h, w], for a guide [h, w, 3] and a mask [h, w]."""
    mean, level = _mean(guide), _mean(mask)
    products = guide[:, :, :, None] * guide[:, :, None, :]  # [h, w, 3, 3]
    covariance = _mean(products.reshape(*mask.shape, 9)).reshape(products.shape)
    covariance = covariance - mean[:, :, :, None] * mean[:, :, None, :] + _EPSILON * np.eye(3, dtype=np.float32)
    common = _mean(guide * mask[:, :, None]) - mean * level[:, :, None]
    slope = np.linalg.solve(covariance, common[:, :, :, None])[:, :, :, 0]
    offset = level - (slope * mean).sum(axis=2)
    return np.asarray((_mean(slope.astype(np.float32)) * guide).sum(axis=2) + _mean(offset), np.float32)


def _mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
    side = 2 * _RADIUS + 1
    parts = [cv2.blur(part, (side, side)) for part in np.moveaxis(np.atleast_3d(values), 2, 0)]
    return np.asarray(np.stack(parts, axis=2).reshape(values.shape), np.float32)
