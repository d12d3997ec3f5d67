"""How a frame looks: light, sharpness, noise of the sensor, haze. Measured in the frame itself."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from oodbench.blending.ground_plane import Ground
from oodbench.blending.sensor import LEFT, RESIDUAL
from oodbench.blending.soft import softened
from oodbench.types import RGBImage

_EDGE = 8
# Variance that rounding three channels leaves in the finest residual of their mean.
_ROUNDED = 2.25 / 12 / 3
# Asphalt in grey levels by a white surface in the same light.
_ASPHALT = 0.38


@dataclass(frozen=True)
class Look:
    """Of one frame.

    Attributes:
        blur: of its sharpest edges, standard deviation in pixels.
        noise: of its sensor in the smoothest places, standard deviation in grey levels, before colours are made.
        unlike: what each channel has of its own beside that, standard deviation in grey levels.
        black: [3], the darkest that it shows, in grey levels.
        air: [3], the colour of far haze, in grey levels.
        haze: share of the light that is lost in a metre.
        bright: the brightest that it shows below the horizon, in grey levels.
    """

    blur: float
    noise: float
    unlike: float
    black: NDArray[np.float64]
    air: NDArray[np.float64]
    haze: float
    bright: float


def look_of(image: RGBImage, ground: Ground) -> Look:
    """Measure a frame."""
    grey = image[:, :, 1].astype(np.float32)
    horizon = int(ground.horizon)
    low = image[horizon:].reshape(-1, 3)
    black = np.percentile(low, 0.5, axis=0)
    band = image[max(horizon - image.shape[0] // 10, 0) : max(horizon, 1)].reshape(-1, 3)
    air = np.percentile(band, 90, axis=0)
    # What is black far away has the colour of the haze: near the horizon things stand some 60 metres away.
    near = image.shape[0] // 40
    far = np.percentile(image[max(horizon - near, 0) : horizon + near + 1].reshape(-1, 3), 0.5, axis=0)
    veil = float(np.clip(((far - black) / np.maximum(air - black, 1.0)).mean(), 0.0, 0.5))
    return Look(
        blur=_blur(grey),
        noise=_noise(image),
        unlike=_unlike(image),
        black=black,
        air=air,
        haze=float(-np.log1p(-veil)) / 60.0,
        bright=float(np.percentile(low, 99.5)),
    )


def _blur(grey: NDArray[np.float32]) -> float:
    """By how much a second blur of one pixel flattens the steepest edges; the tenth part of them that are sharpest.

    The operator that finds the edges counts in with a variance of about .53. That makes up for the sharpest tenth:
    their own blur is less than the lens's is on the whole.
    """
    before, after = _steepness(grey), _steepness(softened(grey, 1.0))
    steep = before >= np.quantile(before, 0.98)
    ratio = before[steep] / np.maximum(after[steep], 1e-3)
    ratio = ratio[ratio > 1.02]
    if not len(ratio):
        return 1.0
    return float(np.clip(np.quantile(1.0 / np.sqrt(ratio**2 - 1.0), 0.1), 0.3, 3.0))


def _steepness(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    across, down = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    return np.asarray(cv2.magnitude(across, down), np.float32)


def _noise(image: RGBImage) -> float:
    """By the finest residual in the tenth part of the blocks of 8 x 8 pixels that a plane fits best.

    The mean of the channels is taken: their differences hold hardly any of it, and rounding to whole levels counts
    in with a known share.
    """
    grey = image.astype(np.float32).mean(axis=2)
    rows, columns = (side // _EDGE for side in grey.shape)
    finest, whole = (
        part[: rows * _EDGE, : columns * _EDGE].reshape(rows, _EDGE, columns, _EDGE).swapaxes(1, 2)
        for part in (cv2.filter2D(grey, -1, RESIDUAL), grey)
    )
    mean = whole.mean(axis=(2, 3))
    exposed = (mean > 10) & (mean < 245)
    if not exposed.any():
        return 0.0
    blocks = whole[exposed]
    slope = np.arange(_EDGE, dtype=np.float32) - (_EDGE - 1) / 2
    rest = blocks - blocks.mean(axis=(1, 2), keepdims=True)
    for along in (slope[:, None], slope[None, :]):
        along = np.broadcast_to(along, (_EDGE, _EDGE))
        rest = rest - (rest * along).sum(axis=(1, 2), keepdims=True) / (along**2).sum() * along
    spread = rest.std(axis=(1, 2))
    smooth = finest[exposed][spread <= np.quantile(spread, 0.1)]
    return float(max((smooth**2).mean() - _ROUNDED, 0.0) ** 0.5 / LEFT)


def _unlike(image: RGBImage) -> float:
    """By the finest residual of the differences between channels, in the middle one of all blocks of 8 x 8 pixels.

    Colours are smoother than light is: half of a street's blocks show nothing of this kind but noise and rounding.
    """
    levels = image.astype(np.float32)
    rows, columns = (side // _EDGE * _EDGE for side in image.shape[:2])
    powers: list[float] = []
    for channel in (0, 2):
        finest = cv2.filter2D(levels[:, :, channel] - levels[:, :, 1], -1, RESIDUAL)[:rows, :columns]
        powers.append(
            float(np.median(cv2.resize(finest**2, (columns // _EDGE, rows // _EDGE), interpolation=cv2.INTER_AREA)))
        )
    return float(np.sqrt(max(sum(powers) / 2 / 2.25 - 2 / 12, 0.0) / 2))


def ground_color(image: RGBImage, ground: Ground, left: int, right: int, bottom: int) -> NDArray[np.float64]:
    """float64 [3], grey levels of the ground around the foot of something: its median over a strip at its sides."""
    wide = right - left
    window = np.s_[
        max(bottom - wide // 4, 0) : bottom + wide // 3, max(left - wide // 2, 0) : max(right + wide // 2, 1)
    ]
    floor = (ground.road | ground.walks)[window]
    pixels = image[window][floor]
    if not len(pixels):
        pixels = image[window].reshape(-1, 3)
    return np.asarray(np.median(pixels, axis=0), np.float64)


def white(color: NDArray[np.float64], look: Look) -> NDArray[np.float64]:
    """float64 [3], the grey levels of a white surface in the light that gives the ground this colour.

    The ground is taken for grey asphalt: its tint is that of the light.
    """
    level = min(float(color.mean()) / _ASPHALT, max(look.bright, float(color.mean())))
    return level * color / max(float(color.mean()), 1.0)
