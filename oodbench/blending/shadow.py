"""The shadow at the foot of a thing under an open sky: soft around it, dark where it touches the ground."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from oodbench.blending.ground_plane import FOCAL, Ground, Place
from oodbench.blending.soft import softened

_AROUND = 0.35
_UNDER = 0.75
# As deep as half its width; what is lower than that share of its height above the ground is its foot.
_DEPTH = 0.5
_FOOT = 0.12
_STEEP = 0.6


def cast_shadow(image: NDArray[np.float32], alpha: NDArray[np.float32], place: Place, ground: Ground) -> None:
    """Darken `image`, float32 [H, W, 3], around the foot of what will stand at `place` with `alpha` [h, w]."""
    rows, columns = ground.size
    depth = _DEPTH * place.width * (place.bottom - ground.horizon) / (FOCAL * columns)
    soft = 0.05 * place.width + 1.0
    reach = int(3 * soft + depth) + 2
    top, bottom = place.top, min(place.bottom + reach, rows)
    left, right = max(place.left - reach, 0), min(place.right + reach, columns)

    around = np.zeros((bottom - top, right - left), np.float32)
    centre = ((place.left + place.right) / 2 - left, place.bottom - 0.5 * depth - top)
    cv2.ellipse(around, (centre, (place.width, max(1.2 * depth, 2.0)), 0.0), 1.0, -1)
    around = softened(around, soft, max(0.45 * depth, 1.0))

    under = np.zeros_like(around)
    under[: place.height, place.left - left : place.right - left] = _under(alpha)
    contact = max(0.012 * place.height, 0.6)
    under = softened(under, 2 * contact, contact)
    window = image[top:bottom, left:right]
    window *= ((1.0 - _AROUND * around) * (1.0 - _UNDER * np.minimum(1.3 * under, 1.0)))[:, :, None]


def _under(alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    """Up to 1 at the feet and between them: close above the lower hull of the outline."""
    rows, columns = alpha.shape
    inside = alpha > 0.5
    lowest = rows - np.argmax(inside[::-1], axis=0)
    held = np.flatnonzero(inside.any(axis=0))
    corners = np.stack([held, lowest[held]], axis=1).astype(np.int32)
    hull = cv2.convexHull(np.concatenate([corners, [[held[0], 0], [held[-1], 0]]]).astype(np.int32))
    filled = np.zeros((rows, columns), np.uint8)
    cv2.fillConvexPoly(filled, hull, 1)
    floor = rows - np.argmax(filled[::-1], axis=0)
    # Steeper than that the hull leads from a foot up to what hangs over, and not along the ground.
    level = np.abs(np.gradient(floor.astype(np.float32))) < _STEEP if columns > 1 else np.ones(columns, np.bool_)
    height = (floor[None, :] - np.arange(rows)[:, None]) / max(_FOOT * rows, 1.0)
    return np.asarray(np.clip(1.5 * (1.0 - height), 0.0, 1.0) * ((filled > 0) & level), np.float32)
