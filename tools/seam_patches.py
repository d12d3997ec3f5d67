"""Features of windows along an outline: steps across it, and noise, sharpness and traces of resizing on both sides.

All features except the steps are measured on the residual of each pixel from a plane through its surroundings, inside
the outline, on it, and outside. The pixels are not resampled for this, because resampling changes the noise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from oodbench.worlds.dice import Dice

AROUND = 12
"""Distance in pixels from the centre of a window to its border."""
_REACH, _ALONG, _JITTER = 8, 4, 3
# Second differences in both directions: the residual of a plane is zero.
_RESIDUAL = np.array([[-1, 2, -1], [2, -4, 2], [-1, 2, -1]], np.float32) / 4


@dataclass(frozen=True)
class OutlineWindow:
    """A window of pixels [25, 25, 3] around a point of an outline.

    Attributes:
        column, row: Position of the point.
        normal: (right, down), from the inside to the outside.
        shift: Random shift of the outline along the normal in pixels, because its true position is not known exactly.
        pixels: Grey levels.
    """

    column: int
    row: int
    normal: tuple[float, float]
    shift: float
    pixels: np.ndarray

    def beyond(self, distance: float) -> tuple[int, int]:
        """Return the (row, column) at a distance in pixels outside the outline."""
        reach = distance + self.shift
        return round(self.row + reach * self.normal[1]), round(self.column + reach * self.normal[0])


def sample_windows(
    image: np.ndarray, inside: np.ndarray, left: int, top: int, dice: Dice, most: int
) -> Iterator[OutlineWindow]:
    """Yield up to `most` windows at random points along the border of a mask whose corner is at (left, top)."""
    margin = 4
    padded = np.pad(inside.astype(np.uint8), margin)
    signed = cv2.distanceTransform(padded, cv2.DIST_L2, 5) - cv2.distanceTransform(1 - padded, cv2.DIST_L2, 5)
    down, right = np.gradient(cv2.GaussianBlur(signed, (0, 0), 2.0))
    border = np.argwhere((padded > 0) & (signed <= 1.0))
    for _ in range(most):
        at = tuple(border[dice.integer(0, len(border) - 1)].tolist())
        length = float(np.hypot(right[at], down[at]))
        row, column = at[0] - margin + top, at[1] - margin + left
        room = min(row, column, image.shape[0] - 1 - row, image.shape[1] - 1 - column)
        if length < 0.5 or room < AROUND:
            continue
        box = np.s_[row - AROUND : row + AROUND + 1, column - AROUND : column + AROUND + 1]
        normal = (-float(right[at]) / length, -float(down[at]) / length)
        yield OutlineWindow(column, row, normal, dice.uniform(-_JITTER, _JITTER), image[box].astype(np.float32))


def compute_features(sample: list[OutlineWindow]) -> np.ndarray:
    """Return the features of the windows, [windows, features]."""
    normals = np.array([window.normal for window in sample], np.float32)
    shifts = np.array([window.shift for window in sample], np.float32)
    pixels = np.stack([window.pixels for window in sample])
    profiles = np.stack([_resample_profile(*parts) for parts in zip(pixels, normals, shifts, strict=True)])
    return np.concatenate([_compute_steps(profiles), _compute_traces(pixels, normals, shifts)], axis=1)


def _resample_profile(pixels: np.ndarray, normal: np.ndarray, shift: float) -> np.ndarray:
    """Return the pixels resampled across and along the outline, [17, 9, 3], from inside to outside."""
    across = np.arange(-_REACH, _REACH + 1, dtype=np.float32)[:, None] + shift
    along = np.arange(-_ALONG, _ALONG + 1, dtype=np.float32)[None, :]
    x = AROUND + across * normal[0] - along * normal[1]
    y = AROUND + across * normal[1] + along * normal[0]
    return cv2.remap(pixels, x, y, cv2.INTER_LINEAR)


def _compute_steps(profiles: np.ndarray) -> np.ndarray:
    grey = profiles.mean(axis=3)  # [n, across, along]
    level = grey.mean(axis=(1, 2))[:, None] + 5.0
    across, along = np.abs(np.diff(grey, axis=1)), np.abs(np.diff(grey, axis=2))
    bend = np.abs(np.diff(grey, n=2, axis=1))
    mean = grey.mean(axis=2)
    edge = np.abs(np.diff(mean, axis=1))
    tint = profiles.mean(axis=2) - mean[:, :, None]
    third = grey.shape[1] // 3
    # The steps next to the steepest one of each line, as shares of the total change.
    steepest = across[:, 2:-2].argmax(axis=1)[:, None] + 2
    total = across.sum(axis=1) + 1.0
    neighbours = [
        np.take_along_axis(across, np.clip(steepest + step, 0, across.shape[1] - 1), axis=1)[:, 0] / total
        for step in range(-3, 4)
    ]
    return np.concatenate(
        [
            across.mean(axis=2) / level,
            along.mean(axis=2) / level,
            bend.mean(axis=2) / level,
            np.sort(edge, axis=1)[:, :-7:-1] / level,
            np.stack([share.mean(axis=1) for share in neighbours], axis=1),
            np.stack([neighbours[3].max(axis=1), neighbours[3].min(axis=1)], axis=1),
            np.abs(np.diff(steepest[:, 0], n=2, axis=1)).mean(axis=1, keepdims=True),
            np.sort(bend.reshape(len(bend), -1), axis=1)[:, ::-12] / level,
            bend.max(axis=(1, 2))[:, None] / np.maximum(across.max(axis=(1, 2)), 1e-3)[:, None],
            np.abs(np.diff(tint, axis=1)).max(axis=1),
            tint[:, :third].mean(axis=1) - tint[:, -third:].mean(axis=1),
            np.stack([mean[:, :third].mean(1) - mean[:, -third:].mean(1), mean.min(1), mean.max(1)], axis=1),
        ],
        axis=1,
    )


def _compute_traces(pixels: np.ndarray, normals: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    place = np.arange(-AROUND, AROUND + 1, dtype=np.float32)
    outward = place[None, None, :] * normals[:, :1, None] + place[None, :, None] * normals[:, 1:, None]
    outward -= shifts[:, None, None]
    sideways = place[None, :, None] * normals[:, :1, None] - place[None, None, :] * normals[:, 1:, None]
    near = (np.abs(sideways) <= 7) & (np.abs(outward) < 9)
    zones = [near & (outward < -2.5), near & (np.abs(outward) <= 2.5), near & (outward > 2.5)]
    red, green, blue = np.moveaxis(pixels, 3, 0)
    values = []
    for channel in (pixels.mean(axis=3), red - green, blue - green):
        residual = np.stack([cv2.filter2D(image, -1, _RESIDUAL) for image in channel])
        size = [np.log(_average(np.abs(residual), zone) + 0.1) for zone in zones]
        values += [*size, size[0] - size[2]]
        for zone in (zones[0], zones[2]):
            values.append(np.log(_average(np.minimum(np.abs(residual), 2.0), zone) + 0.1))
            power = _average(residual**2, zone) + 0.05
            for one, other in (
                (np.s_[:, :, 1:], np.s_[:, :, :-1]),
                (np.s_[:, 1:], np.s_[:, :-1]),
                (np.s_[:, 1:, 1:], np.s_[:, :-1, :-1]),
            ):
                values.append(_average(residual[one] * residual[other], zone[one] & zone[other]) / power)
    return np.stack(values, axis=1)


def _average(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    return (values * where).sum(axis=(1, 2)) / np.maximum(where.sum(axis=(1, 2)), 1)
