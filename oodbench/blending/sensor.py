"""The camera's second half: noise, one colour a pixel, and the two others made from the neighbours.

What is made smaller in a computer has neither the fine grain nor the hard steps from pixel to pixel that a photograph
has; both come from this. Green is interpolated along edges (Hamilton and Adams, US patent 5629734, 1997), red and blue
by their differences from it. Their decision for a direction is a weight here, so that no rounding turns it over.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from oodbench.worlds.dice import Dice

RESIDUAL = np.array([[-1, 2, -1], [2, -4, 2], [-1, 2, -1]], np.float32) / 4
"""A filter that leaves nothing of a plane (Immerkaer, "Fast Noise Variance Estimation", CVIU 1996)."""
LEFT = 0.73
"""Standard deviation of what that filter leaves in the mean of the channels, for noise of unit spread in the sensor."""
GRAIN = 0.55
"""The noise that `taken` gives is about as much alike in neighbours as white noise blurred by so many pixels."""

# Filters of a sensor let through much of each other's light; the camera makes up for it, and strengthens with the
# colours what was wrong with them.
_MATRIX = 2.0
# Grey levels; less tells no direction.
_QUIET = 1.0
_AROUND = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], np.float32) / 4


def taken(
    light: NDArray[np.float32], noise: NDArray[np.float32], dice: Dice, unlike: float = 0.0
) -> NDArray[np.float32]:
    """float32 [h, w, 3] as the sensor gives it, of what the lens throws there.

    Args:
        light: float32 [h, w, 3], grey levels.
        noise: float32 [h, w], standard deviation in each pixel of the sensor, in grey levels.
        dice: for the noise.
        unlike: standard deviation of what each channel gets of its own once colours are made, in grey levels.
    """
    rows, columns = noise.shape
    # Red and blue on alternate pixels of alternate rows, green on the others.
    colour = np.arange(rows)[:, None] % 2 + np.arange(columns)[None, :] % 2
    grey = light.mean(axis=2)
    raw = grey + (np.take_along_axis(light, colour[:, :, None], axis=2)[:, :, 0] - grey) / _MATRIX
    raw = (raw + noise * _normal(noise.shape, dice)).astype(np.float32)
    green = np.where(colour == 1, raw, _green(raw))
    out = np.empty_like(light)
    out[:, :, 1] = green
    for channel, own in ((0, colour == 0), (2, colour == 2)):
        difference = np.where(own, raw - green, 0).astype(np.float32)
        out[:, :, channel] = green + cv2.filter2D(difference, -1, _AROUND, borderType=cv2.BORDER_REFLECT_101)
    grey = out.mean(axis=2, keepdims=True)
    return np.asarray(grey + _MATRIX * (out - grey) + np.float32(unlike) * _normal(out.shape, dice), np.float32)


def _normal(shape: tuple[int, ...], dice: Dice) -> NDArray[np.float32]:
    """About normal, of unit spread: the sum of three even draws."""
    draws = dice.uniforms(3 * int(np.prod(shape)), -1.0, 1.0).reshape(3, *shape)
    return np.asarray(draws.sum(axis=0), np.float32)


def _green(raw: NDArray[np.float32]) -> NDArray[np.float32]:
    """Green where the sensor sees another colour, from the direction in which less happens."""
    estimates, weights = [], []
    for horizontal in (True, False):
        beside, bend = np.array([[0.5, 0, 0.5]], np.float32), np.array([[-1, 0, 2, 0, -1]], np.float32)
        step = np.array([[-1, 0, 1]], np.float32)
        near, second, first = (
            cv2.filter2D(raw, -1, mask if horizontal else mask.T, borderType=cv2.BORDER_REFLECT_101)
            for mask in (beside, bend, step)
        )
        estimates.append(near + second / 4)
        weights.append(1.0 / (_QUIET + np.abs(first) + np.abs(second)) ** 4)
    return np.asarray((estimates[0] * weights[0] + estimates[1] * weights[1]) / (weights[0] + weights[1]), np.float32)
