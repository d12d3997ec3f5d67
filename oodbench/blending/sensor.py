"""The camera's sensor: noise, one colour per pixel, and demosaicing of the other two colours from neighbouring pixels.

A photograph has fine grain and steps between pixels. An image that was downscaled on a computer has neither, so the
sensor is simulated. Green is interpolated along edges (Hamilton and Adams, US patent 5629734, 1997), red and blue by
their differences from green. Hamilton and Adams choose one direction. Here each direction has a weight, so rounding
can't flip the choice.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from oodbench.worlds.dice import Dice

RESIDUAL = np.array([[-1, 2, -1], [2, -4, 2], [-1, 2, -1]], np.float32) / 4
"""A filter whose response to a plane is zero (Immerkaer, "Fast Noise Variance Estimation", CVIU 1996)."""
RESIDUAL_NOISE = 0.73
"""Standard deviation of that filter's response on the mean of the channels, for sensor noise of unit deviation."""
GRAIN = 0.55
"""Correlation length of the noise from `apply_sensor`: about that of white noise blurred by this many pixels."""

# The colour filters of a sensor overlap. The camera corrects for this, which amplifies colour errors.
_MATRIX = 2.0
# Gradients below this, in grey levels, indicate no direction.
_QUIET = 1.0
_AROUND = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], np.float32) / 4


def apply_sensor(
    light: NDArray[np.float32], noise: NDArray[np.float32], dice: Dice, channel_noise: float = 0.0
) -> NDArray[np.float32]:
    """Simulate the sensor's response to the light of a scene, float32 [h, w, 3].

    Args:
        light: float32 [h, w, 3], grey levels.
        noise: float32 [h, w], standard deviation per sensor pixel in grey levels.
        dice: Source of the noise.
        channel_noise: Standard deviation of the independent noise per channel after demosaicing, in grey levels.
    """
    rows, columns = noise.shape
    # Red and blue on alternate pixels of alternate rows, green on the others.
    colour = np.arange(rows)[:, None] % 2 + np.arange(columns)[None, :] % 2
    grey = light.mean(axis=2)
    raw = grey + (np.take_along_axis(light, colour[:, :, None], axis=2)[:, :, 0] - grey) / _MATRIX
    raw = (raw + noise * _sample_normal(noise.shape, dice)).astype(np.float32)
    green = np.where(colour == 1, raw, _interpolate_green(raw))
    out = np.empty_like(light)
    out[:, :, 1] = green
    for channel, measured in ((0, colour == 0), (2, colour == 2)):
        difference = np.where(measured, raw - green, 0).astype(np.float32)
        out[:, :, channel] = green + cv2.filter2D(difference, -1, _AROUND, borderType=cv2.BORDER_REFLECT_101)
    grey = out.mean(axis=2, keepdims=True)
    return np.asarray(
        grey + _MATRIX * (out - grey) + np.float32(channel_noise) * _sample_normal(out.shape, dice), np.float32
    )


def _sample_normal(shape: tuple[int, ...], dice: Dice) -> NDArray[np.float32]:
    """Sample approximately normal noise of unit deviation: the sum of three uniform variables."""
    draws = dice.uniforms(3 * int(np.prod(shape)), -1.0, 1.0).reshape(3, *shape)
    return np.asarray(draws.sum(axis=0), np.float32)


def _interpolate_green(raw: NDArray[np.float32]) -> NDArray[np.float32]:
    """Interpolate green at red and blue pixels from the direction with smaller gradients."""
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
