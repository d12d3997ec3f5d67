"""The light of another place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oodbench.blending.appearance import Look, white
from oodbench.blending.soft import softened

# Light at two places differs by so much at most.
_GAIN = (0.35, 2.5)
# In logarithms: paint differs by more than that, and so does asphalt, by which light is measured.
_UNSEEN = 0.2
# Each channel was rounded, and will be again. A blur by so many pixels takes the first noise off the colours.
_ROUNDED = 0.45


def lit(
    color: NDArray[np.float32],
    inside: NDArray[np.bool_],
    stood: NDArray[np.float64] | None,
    light: NDArray[np.float64],
    look: Look,
) -> NDArray[np.float32]:
    """Grey levels, float32 [h, w, 3], in the light of the place.

    Light that is nearly the same leaves them as they are: measured with an error, and rounded a second time, they
    would be farther from a photograph than before.

    Args:
        color: float32 [h, w, 3], grey levels.
        inside: bool [h, w].
        stood: [3], the grey levels of the ground that it stood on; None where its colours are those of plain light.
        light: [3], the grey levels of the ground at the place.
        look: of the frame.
    """
    if stood is None:
        plain = white(light, look)
        return np.asarray(look.black + color / 255.0 * (plain - look.black), np.float32)
    gain = _gain(light, stood)
    if (gain == 1.0).all():
        return color
    grey = color.mean(axis=2, keepdims=True)
    color = np.asarray((grey + softened(color - grey, _ROUNDED)) * gain, np.float32)
    # What was in the sun is no brighter in the shade than what else is bright there.
    brightest = float(np.percentile(color[inside], 99)) if inside.any() else 1.0
    return np.asarray(color * min(1.0, look.bright / max(brightest, 1.0)), np.float32)


def _gain(light: NDArray[np.float64], stood: NDArray[np.float64]) -> NDArray[np.float64]:
    """[3], by how much another light changes each channel, as far as it is seen: its level, and its tint."""
    ratio = np.log(np.maximum(light, 1.0) / np.maximum(stood, 1.0))
    level = np.full(3, ratio.mean())
    seen = [np.sign(part) * np.maximum(np.abs(part) - _UNSEEN, 0.0) for part in (level, ratio - level)]
    return np.asarray(np.clip(np.exp(seen[0] + seen[1]), *_GAIN), np.float64)
