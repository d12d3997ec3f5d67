"""The shadow at the foot of an object under an open sky: soft around it, and dark at the contact with the ground."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from oodbench.blending.blurring import apply_blur
from oodbench.blending.ground_plane import FOCAL, Ground, Place

_AROUND = 0.35
_UNDER = 0.75
# Depth of an object relative to its width, and the share of its height above the ground that counts as foot.
_DEPTH = 0.5
_FOOT = 0.12
_STEEP = 0.6


def cast_shadow(image: NDArray[np.float32], alpha: NDArray[np.float32], place: Place, ground: Ground) -> None:
    """Darken `image`, float32 [H, W, 3], around the foot of an object with opacity `alpha` [h, w] at `place`."""
    rows, columns = ground.size
    depth = _DEPTH * place.width * (place.bottom - ground.horizon) / (FOCAL * columns)
    soft = 0.05 * place.width + 1.0
    reach = int(3 * soft + depth) + 2
    top, bottom = place.top, min(place.bottom + reach, rows)
    left, right = max(place.left - reach, 0), min(place.right + reach, columns)

    around = np.zeros((bottom - top, right - left), np.float32)
    centre = ((place.left + place.right) / 2 - left, place.bottom - 0.5 * depth - top)
    cv2.ellipse(around, (centre, (place.width, max(1.2 * depth, 2.0)), 0.0), 1.0, -1)
    around = apply_blur(around, soft, max(0.45 * depth, 1.0))

    contact_shadow = np.zeros_like(around)
    contact_shadow[: place.height, place.left - left : place.right - left] = _compute_contact(alpha)
    contact = max(0.012 * place.height, 0.6)
    contact_shadow = apply_blur(contact_shadow, 2 * contact, contact)
    window = image[top:bottom, left:right]
    window *= ((1.0 - _AROUND * around) * (1.0 - _UNDER * np.minimum(1.3 * contact_shadow, 1.0)))[:, :, None]


def _compute_contact(alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the darkness of the contact shadow, from 0 to 1.

    The shadow is darkest at and between the feet, close above the lower hull of the outline.
    """
    rows, columns = alpha.shape
    inside = alpha > 0.5
    lowest = rows - np.argmax(inside[::-1], axis=0)
    held = np.flatnonzero(inside.any(axis=0))
    corners = np.stack([held, lowest[held]], axis=1).astype(np.int32)
    hull = cv2.convexHull(np.concatenate([corners, [[held[0], 0], [held[-1], 0]]]).astype(np.int32))
    filled = np.zeros((rows, columns), np.uint8)
    cv2.fillConvexPoly(filled, hull, 1)
    floor = rows - np.argmax(filled[::-1], axis=0)
    # Steeper parts of the hull lead from a foot to an overhanging part and do not follow the ground.
    level = np.abs(np.gradient(floor.astype(np.float32))) < _STEEP if columns > 1 else np.ones(columns, np.bool_)
    height = (floor[None, :] - np.arange(rows)[:, None]) / max(_FOOT * rows, 1.0)
    return np.asarray(np.clip(1.5 * (1.0 - height), 0.0, 1.0) * ((filled > 0) & level), np.float32)
