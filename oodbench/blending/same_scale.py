"""A thing of another frame at its own size: its pixels are a camera's already, and only its border is made anew."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oodbench.blending.appearance import Look
from oodbench.blending.cutout import Cutout
from oodbench.blending.ground_plane import Place
from oodbench.blending.sensor import taken
from oodbench.blending.soft import softened
from oodbench.worlds.dice import Dice

# By so much two frames of one camera are measured differently: pixels of blur, and a factor of noise.
_BLUR, _NOISE = 0.25, 1.5
# Opacity that is neither one side nor the other.
_MIXED = (0.02, 0.98)
# A lens draws outlines a little softer than they come out of the matte: that share of a blur by one pixel.
_SOFTER = 0.25


def as_it_was(cutout: Cutout, place: Place, look: Look) -> bool:
    """Whether it can stand there with the pixels that it has: none was resized, and both cameras are alike."""
    quiet, loud = sorted((cutout.noise, look.noise))
    return (
        (place.height, place.width) == cutout.size
        and abs(cutout.blur - look.blur) <= _BLUR
        and loud <= _NOISE * max(quiet, 1e-3)
    )


def joined(
    behind: NDArray[np.float32], color: NDArray[np.float32], cover: NDArray[np.float32], dice: Dice
) -> NDArray[np.float32]:
    """float32 [h, w, 3]: a thing in front of what is behind it.

    Its own pixels and those around it are left alone. Where both are mixed, a camera would have made two colours of
    each pixel from the neighbours on either side.

    Args:
        behind: float32 [h, w, 3], grey levels.
        color: float32 [h, w, 3], grey levels.
        cover: float32 [h, w], its opacity, 0 to 1.
        dice: the sensor's; no noise comes of them.
    """
    seen = behind + cover[:, :, None] * (color - behind)
    mixed = ((cover > _MIXED[0]) & (cover < _MIXED[1])).astype(np.float32)
    border = np.minimum(2.0 * softened(mixed, 1.0), 1.0)[:, :, None]
    seen += border * (taken(seen, np.zeros_like(cover), dice) - seen)
    return np.asarray(seen + _SOFTER * border * (softened(seen, 1.0) - seen), np.float32)
