"""The appearance of a frame, measured in the frame itself: light, sharpness, sensor noise and haze."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from oodbench.blending.blurring import apply_blur
from oodbench.blending.ground_plane import Ground
from oodbench.blending.sensor import RESIDUAL, RESIDUAL_NOISE
from oodbench.types import RGBImage

_EDGE = 8
# Variance in the residual of the mean of three channels that is due to rounding.
_ROUNDED = 2.25 / 12 / 3
# Reflectance of asphalt relative to a white surface in the same light.
_ASPHALT = 0.38


@dataclass(frozen=True)
class Appearance:
    """Appearance of one frame.

    Attributes:
        blur: Blur of the sharpest edges, standard deviation in pixels.
        noise: Sensor noise in the smoothest regions before demosaicing, standard deviation in grey levels.
        channel_noise: Additional noise that is independent per channel, standard deviation in grey levels.
        black: [3], darkest level per channel, in grey levels.
        air: [3], colour of distant haze, in grey levels.
        haze: Share of the light that is lost per metre.
        bright: Brightest level below the horizon, in grey levels.
    """

    blur: float
    noise: float
    channel_noise: float
    black: NDArray[np.float64]
    air: NDArray[np.float64]
    haze: float
    bright: float


def measure_appearance(image: RGBImage, ground: Ground) -> Appearance:
    """Measure the appearance of a frame.

    Args:
        image: uint8 [H, W, 3].
        ground: Ground of the frame.
    """
    grey = image[:, :, 1].astype(np.float32)
    horizon = int(ground.horizon)
    low = image[horizon:].reshape(-1, 3)
    black = np.percentile(low, 0.5, axis=0)
    band = image[max(horizon - image.shape[0] // 10, 0) : max(horizon, 1)].reshape(-1, 3)
    air = np.percentile(band, 90, axis=0)
    # Distant dark surfaces take the colour of the haze; objects near the horizon are about 60 metres away.
    near = image.shape[0] // 40
    far = np.percentile(image[max(horizon - near, 0) : horizon + near + 1].reshape(-1, 3), 0.5, axis=0)
    veil = float(np.clip(((far - black) / np.maximum(air - black, 1.0)).mean(), 0.0, 0.5))
    return Appearance(
        blur=_measure_blur(grey),
        noise=_measure_noise(image),
        channel_noise=_measure_channel_noise(image),
        black=black,
        air=air,
        haze=float(-np.log1p(-veil)) / 60.0,
        bright=float(np.percentile(low, 99.5)),
    )


def _measure_blur(grey: NDArray[np.float32]) -> float:
    """Estimate the blur from how much a second blur of one pixel flattens the steepest edges.

    The sharpest tenth of these edges counts. The edge operator adds a variance of about 0.53, which compensates for
    selecting the sharpest edges, whose blur is below that of the lens on average.
    """
    before, after = _compute_gradient(grey), _compute_gradient(apply_blur(grey, 1.0))
    steep = before >= np.quantile(before, 0.98)
    ratio = before[steep] / np.maximum(after[steep], 1e-3)
    ratio = ratio[ratio > 1.02]
    if not len(ratio):
        return 1.0
    return float(np.clip(np.quantile(1.0 / np.sqrt(ratio**2 - 1.0), 0.1), 0.3, 3.0))


def _compute_gradient(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    across, down = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    return np.asarray(cv2.magnitude(across, down), np.float32)


def _measure_noise(image: RGBImage) -> float:
    """Estimate the noise from the finest residual in the 10 % of blocks of 8 x 8 pixels that a plane fits best.

    The mean of the channels is used: their differences contain hardly any of this noise, and rounding to whole levels
    adds a known variance.
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
    return float(max((smooth**2).mean() - _ROUNDED, 0.0) ** 0.5 / RESIDUAL_NOISE)


def _measure_channel_noise(image: RGBImage) -> float:
    """Estimate channel noise from the finest residual of channel differences, in the median block of 8 x 8 pixels.

    Colours vary more smoothly than light: in half of a street's blocks, these differences contain only noise and
    rounding errors.
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


def measure_ground_color(image: RGBImage, ground: Ground, left: int, right: int, bottom: int) -> NDArray[np.float64]:
    """Measure the colour of the ground around the foot of an object: the median of a strip at its sides.

    Args:
        image: uint8 [H, W, 3].
        ground: Ground of the frame.
        left: First column of the object's foot.
        right: Column after the last one of the foot.
        bottom: Row below the last one of the foot.

    Returns:
        float64 [3], in grey levels.
    """
    wide = right - left
    window = np.s_[
        max(bottom - wide // 4, 0) : bottom + wide // 3, max(left - wide // 2, 0) : max(right + wide // 2, 1)
    ]
    floor = (ground.road | ground.walks)[window]
    pixels = image[window][floor]
    if not len(pixels):
        pixels = image[window].reshape(-1, 3)
    return np.asarray(np.median(pixels, axis=0), np.float64)


def estimate_white(color: NDArray[np.float64], appearance: Appearance) -> NDArray[np.float64]:
    """Estimate the grey levels of a white surface in the light under which the ground has this colour, float64 [3].

    The ground is assumed to be grey asphalt, so that its tint is the tint of the light.
    """
    level = min(float(color.mean()) / _ASPHALT, max(appearance.bright, float(color.mean())))
    return level * color / max(float(color.mean()), 1.0)
