"""Adaptation of an object's colours to the light at its new place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oodbench.blending.appearance import Appearance, estimate_white
from oodbench.blending.blurring import apply_blur

# Limits for the ratio of the light at two places.
_GAIN = (0.35, 2.5)
# Logarithmic differences below this are ignored: reflectances of paint and asphalt vary more than that.
_UNSEEN = 0.2
# Blur in pixels that removes the rounding noise of the colours, which are rounded a second time later.
_ROUNDED = 0.45


def apply_lighting(
    color: NDArray[np.float32],
    inside: NDArray[np.bool_],
    stood: NDArray[np.float64] | None,
    light: NDArray[np.float64],
    appearance: Appearance,
) -> NDArray[np.float32]:
    """Convert the grey levels of an object, float32 [h, w, 3], to the light at its new place.

    Colours stay unchanged if the light is nearly the same: measurement errors and a second rounding would make them
    less realistic.

    Args:
        color: float32 [h, w, 3], grey levels.
        inside: bool [h, w], the pixels of the object.
        stood: [3], grey levels of the ground on which it stood. None if its colours are reflectances.
        light: [3], grey levels of the ground at its new place.
        appearance: Appearance of the frame.
    """
    if stood is None:
        plain = estimate_white(light, appearance)
        return np.asarray(appearance.black + color / 255.0 * (plain - appearance.black), np.float32)
    gain = _estimate_gain(light, stood)
    if (gain == 1.0).all():
        return color
    grey = color.mean(axis=2, keepdims=True)
    color = np.asarray((grey + apply_blur(color - grey, _ROUNDED)) * gain, np.float32)
    # A sunlit object does not become brighter in the shade than other bright surfaces there.
    brightest = float(np.percentile(color[inside], 99)) if inside.any() else 1.0
    return np.asarray(color * min(1.0, appearance.bright / max(brightest, 1.0)), np.float32)


def _estimate_gain(light: NDArray[np.float64], stood: NDArray[np.float64]) -> NDArray[np.float64]:
    """Estimate the change of each channel, [3], from visible differences of level and tint."""
    ratio = np.log(np.maximum(light, 1.0) / np.maximum(stood, 1.0))
    level = np.full(3, ratio.mean())
    visible = [np.sign(part) * np.maximum(np.abs(part) - _UNSEEN, 0.0) for part in (level, ratio - level)]
    return np.asarray(np.clip(np.exp(visible[0] + visible[1]), *_GAIN), np.float64)
