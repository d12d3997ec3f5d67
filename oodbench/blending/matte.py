"""How much of each pixel near a drawn outline is the thing: the outline is a pixel or two off, the picture is not.

The guided filter (He, Sun, Tang, "Guided Image Filtering", TPAMI 2013) fits the drawn mask, in each small window, by a
linear function of the colours, and so moves its border to where the colours change.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from oodbench.blending.soft import softened
from oodbench.blending.things import Thing
from oodbench.types import RGBImage

MARGIN = 3
"""Pixels by which a matte is larger than the thing's box, to every side."""

_RADIUS = 4
# Of colours from 0 to 1: contrasts below its root, some two grey levels, move no border.
_EPSILON = 1e-4
# What drawing may be off by, inward and outward.
_INWARD, _OUTWARD = 3, 2
# The filter's result is flatter than a lens.
_STEEPER = 1.7


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
    opacity = np.where(inside, 1.0, np.where(near, np.clip(fitted, 0.0, 1.0), 0.0)).astype(np.float32)
    # A pixel that is in part background shows the colour of those beside it that are not.
    own = (opacity > 0.95).astype(np.float32)
    spread = softened(guide * own[:, :, None], 1.5) / np.maximum(softened(own, 1.5), 1e-4)[:, :, None]
    colors = np.where(own[:, :, None] > 0, guide, spread)
    return (255 * np.clip(colors, 0, 1) + 0.5).astype(np.uint8), (255 * opacity + 0.5).astype(np.uint8)


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
