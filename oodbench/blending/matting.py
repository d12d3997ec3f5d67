"""Opacity and colours near the labelled outline of an object, which is one or two pixels off.

The guided filter (He, Sun, Tang, "Guided Image Filtering", TPAMI 2013) fits the labelled mask in each small window by a
linear function of the colours. This moves the border of the mask to where the colours change. Where object and
background differ, a pixel's position between the two colours is more reliable and gets more weight.

A border pixel is a mixture of object and background in these shares. The background behind the object is extrapolated
from its surroundings and subtracted. The remaining colour is that of the object, with its grain.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from oodbench.blending.blurring import apply_blur, apply_weighted_blur
from oodbench.blending.instances import Instance
from oodbench.types import RGBImage

MARGIN = 5
"""Margin in pixels by which a matte exceeds the object's box on each side."""

_RADIUS = 4
# For colours from 0 to 1. Contrasts below its square root, about two grey levels, do not move the border.
_EPSILON = 1e-4
# Maximum error in pixels of the labelled outline, inward and outward.
_INWARD, _OUTWARD = 3, 2
# The filter's result is softer than a lens, and jagged by noise: it is sharpened, blurred, and sharpened again.
_SHARPEN, _SMOOTH, _SHARPEN_AGAIN = 1.7, 1.0, 1.5
# For colours from 0 to 1: the squared contrast, 20 grey levels in all, at which colour and fit get equal weight.
_ALIKE = 0.006
# Pixels with opacity below `_FAINT` count as background, above `_WHOLE` as foreground. The estimated colour is
# trusted increasingly between `_HALF / 2` and `_HALF`.
_FAINT, _HALF, _WHOLE = 0.02, 0.6, 0.95
# Widths in pixels at which known colours are extrapolated: larger ones are used if no known pixel is close.
_NEAR = (1.5, 3.0, 6.0, 12.0)


def estimate_matte(image: RGBImage, instance: Instance) -> tuple[RGBImage, NDArray[np.uint8]]:
    """Estimate the colours and the opacity of an object.

    Args:
        image: uint8 [H, W, 3].
        instance: Object as labelled, more than `MARGIN` pixels away from the border of the image.

    Returns:
        Colours uint8 [h, w, 3] and opacity uint8 [h, w], each larger than the object's box by `MARGIN` on each side.
    """
    window = image[instance.top - MARGIN : instance.bottom + MARGIN, instance.left - MARGIN : instance.right + MARGIN]
    labelled = np.pad(instance.inside, MARGIN).astype(np.uint8)
    guide = np.asarray(window / 255, np.float32)
    fitted = _SHARPEN * (_filter_guided(guide, labelled.astype(np.float32)) - 0.5) + 0.5
    inside = cv2.erode(labelled, _make_disc(_INWARD)) > 0
    near = cv2.dilate(labelled, _make_disc(_OUTWARD)) > 0
    likely = _project_opacity(guide, _extrapolate(guide, inside), _extrapolate(guide, ~near), np.clip(fitted, 0.0, 1.0))
    opacity = np.where(inside, 1.0, np.where(near, likely, 0.0)).astype(np.float32)
    opacity = np.clip(_SHARPEN_AGAIN * (apply_blur(opacity, _SMOOTH) - 0.5) + 0.5, 0.0, 1.0)
    colors = _estimate_foreground(guide, opacity)
    return (255 * np.clip(colors, 0, 1) + 0.5).astype(np.uint8), (255 * opacity + 0.5).astype(np.uint8)


def _project_opacity(
    shown: NDArray[np.float32], thing: NDArray[np.float32], behind: NDArray[np.float32], fitted: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Project each colour onto the line from the background to the object.

    Where background and object are alike, the result is the fitted opacity.

    Args:
        shown: float32 [h, w, 3], colours of the image.
        thing: float32 [h, w, 3], extrapolated colours of the object.
        behind: float32 [h, w, 3], extrapolated colours of the background.
        fitted: float32 [h, w], opacity from the guided filter.

    Returns:
        float32 [h, w], opacity from 0 to 1.
    """
    way = thing - behind
    along = ((shown - behind) * way).sum(axis=2) + _ALIKE * fitted
    return np.asarray(np.clip(along / ((way**2).sum(axis=2) + _ALIKE), 0.0, 1.0), np.float32)


def _estimate_foreground(shown: NDArray[np.float32], opacity: NDArray[np.float32]) -> NDArray[np.float32]:
    """Estimate the object's colours, float32 [h, w, 3], by removing the background's share of each pixel."""
    share = opacity[:, :, None]
    behind = _extrapolate(shown, opacity < _FAINT)
    left = (shown - (1.0 - share) * behind) / np.maximum(share, 1e-3)
    sure = np.clip(2.0 * share / _HALF - 1.0, 0.0, 1.0)
    return np.asarray(sure * left + (1.0 - sure) * _extrapolate(shown, opacity > _WHOLE), np.float32)


def _extrapolate(color: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Extrapolate colours, float32 [h, w, 3], from the pixels at which they are known."""
    weight = known.astype(np.float32)
    result, settled = np.zeros_like(color), np.zeros_like(weight)
    for across in _NEAR:
        share = np.clip(10.0 * apply_blur(weight, across), 0.0, 1.0) * (1.0 - settled)
        result += share[:, :, None] * apply_weighted_blur(color, weight, across)
        settled += share
    return np.asarray(result / np.maximum(settled, 1e-4)[:, :, None], np.float32)


def _make_disc(radius: int) -> NDArray[np.uint8]:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)).astype(np.uint8)


def _filter_guided(guide: NDArray[np.float32], mask: NDArray[np.float32]) -> NDArray[np.float32]:
    """Apply the guided filter to a mask [h, w] with a guide [h, w, 3]: float32 [h, w]."""
    mean, level = _average(guide), _average(mask)
    products = guide[:, :, :, None] * guide[:, :, None, :]  # [h, w, 3, 3]
    covariance = _average(products.reshape(*mask.shape, 9)).reshape(products.shape)
    covariance = covariance - mean[:, :, :, None] * mean[:, :, None, :] + _EPSILON * np.eye(3, dtype=np.float32)
    common = _average(guide * mask[:, :, None]) - mean * level[:, :, None]
    slope = np.linalg.solve(covariance, common[:, :, :, None])[:, :, :, 0]
    offset = level - (slope * mean).sum(axis=2)
    return np.asarray((_average(slope.astype(np.float32)) * guide).sum(axis=2) + _average(offset), np.float32)


def _average(values: NDArray[np.float32]) -> NDArray[np.float32]:
    side = 2 * _RADIUS + 1
    parts = [cv2.blur(part, (side, side)) for part in np.moveaxis(np.atleast_3d(values), 2, 0)]
    return np.asarray(np.stack(parts, axis=2).reshape(values.shape), np.float32)
