"""Pasting of an object from another frame without resizing. Only its boundary pixels are re-rendered."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oodbench.blending.appearance import Appearance
from oodbench.blending.blurring import apply_blur
from oodbench.blending.cutout import Cutout
from oodbench.blending.ground_plane import Place
from oodbench.blending.sensor import apply_sensor
from oodbench.worlds.dice import Dice

# Maximum differences between measurements of two frames of one camera: blur in pixels, ratio of the noise.
_BLUR, _NOISE = 0.25, 1.5
# Opacity of mixed pixels.
_MIXED = (0.02, 0.98)
# A lens renders outlines softer than the matte: weight of an additional blur by one pixel.
_SOFTER = 0.25


def can_keep_pixels(cutout: Cutout, place: Place, appearance: Appearance) -> bool:
    """Return whether the object can be pasted without re-rendering: it is not resized, and both cameras are alike."""
    quiet, loud = sorted((cutout.noise, appearance.noise))
    return (
        (place.height, place.width) == cutout.size
        and abs(cutout.blur - appearance.blur) <= _BLUR
        and loud <= _NOISE * max(quiet, 1e-3)
    )


def composite_at_same_scale(
    behind: NDArray[np.float32], color: NDArray[np.float32], cover: NDArray[np.float32], dice: Dice
) -> NDArray[np.float32]:
    """Composite an object over its background, float32 [h, w, 3].

    Pixels of only the object or only the background stay unchanged. For mixed pixels, a camera would interpolate
    colours from neighbours on both sides, so the sensor is simulated there.

    Args:
        behind: float32 [h, w, 3], grey levels.
        color: float32 [h, w, 3], grey levels.
        cover: float32 [h, w], the object's opacity, 0 to 1.
        dice: Source of random numbers of the sensor, which adds no noise here.
    """
    composite = behind + cover[:, :, None] * (color - behind)
    mixed = ((cover > _MIXED[0]) & (cover < _MIXED[1])).astype(np.float32)
    border = np.minimum(2.0 * apply_blur(mixed, 1.0), 1.0)[:, :, None]
    composite += border * (apply_sensor(composite, np.zeros_like(cover), dice) - composite)
    return np.asarray(composite + _SOFTER * border * (apply_blur(composite, 1.0) - composite), np.float32)
