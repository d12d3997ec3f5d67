"""Light, haze, blur and noise: from a canvas to an image."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from oodbench.types import RGBImage
from oodbench.worlds.canvas import Canvas, Color
from oodbench.worlds.dice import Dice

# Size of the noise tiles, which are larger than any image.
_TILE = (1280, 2304)


@dataclass(frozen=True)
class Weather:
    """Light, air, and sensor of the camera.

    Attributes:
        light: Colour of the light, including its strength.
        zenith, low: Colours of the sky overhead and above the horizon.
        haze: Share of light lost to haze per metre.
        slope: Relative brightness difference between the right and the left edge.
        vignette: Relative darkening of the corners.
        blur: Standard deviation in pixels.
        noise: Sensor noise, standard deviation in grey levels.
        gamma: Exponent of the tone curve.
    """

    light: Color
    zenith: Color
    low: Color
    haze: float
    slope: float
    vignette: float
    blur: float
    noise: float
    gamma: float


def sample_weather(dice: Dice) -> Weather:
    """Sample daylight: clear, overcast, low sun or dusk."""
    kind = dice.weighted([("clear", 0.35), ("overcast", 0.4), ("low sun", 0.15), ("dusk", 0.1)])
    strength, warm = {
        "clear": (dice.uniform(1.0, 1.25), 0.03),
        "overcast": (dice.uniform(0.75, 1.0), -0.02),
        "low sun": (dice.uniform(0.9, 1.2), 0.14),
        "dusk": (dice.uniform(0.42, 0.6), -0.06),
    }[kind]
    zenith, low = {
        "clear": ((0.30, 0.48, 0.78), (0.72, 0.80, 0.88)),
        "overcast": ((0.66, 0.69, 0.72), (0.80, 0.81, 0.82)),
        "low sun": ((0.42, 0.52, 0.70), (0.94, 0.78, 0.58)),
        "dusk": ((0.20, 0.24, 0.38), (0.52, 0.44, 0.46)),
    }[kind]
    dim = dice.uniform(0.85, 1.1)
    return Weather(
        light=(strength * (1 + warm), strength, strength * (1 - warm)),
        zenith=(dim * zenith[0], dim * zenith[1], dim * zenith[2]),
        low=(dim * low[0], dim * low[1], dim * low[2]),
        haze=dice.weighted([(0.0008, 0.4), (0.002, 0.35), (0.005, 0.2), (0.012, 0.05)]) * dice.uniform(0.7, 1.3),
        slope=dice.uniform(-0.22, 0.22),
        vignette=dice.uniform(0.0, 0.22),
        blur=dice.uniform(0.55, 0.95),
        noise=dice.uniform(1.0, 4.5),
        gamma=dice.uniform(0.85, 1.12),
    )


def sample_shifted_weather(dice: Dice) -> Weather:
    """Sample light and sensors that differ from training."""
    usual = sample_weather(dice)
    tint = dice.uniform(-0.08, 0.08)
    red, green, blue = usual.light
    return Weather(
        light=(red * (1 + tint), green, blue * (1 - tint)),
        zenith=usual.zenith,
        low=usual.low,
        haze=usual.haze * dice.uniform(0.6, 2.0),
        slope=usual.slope * 1.4,
        vignette=usual.vignette * 1.5,
        blur=dice.uniform(0.4, 1.4),
        noise=dice.uniform(0.5, 7.0),
        gamma=dice.uniform(0.72, 1.25),
    )


def render_canvas(canvas: Canvas, weather: Weather, dice: Dice) -> RGBImage:
    """Render the image: light, texture, haze, lens and sensor."""
    height, width = canvas.size
    colors = np.array([paint.color for paint in canvas.paints], np.float32)
    through = np.exp(-weather.haze * np.array(canvas.distances, np.float32))[:, None]  # [paints, 1]
    lit = colors * np.array(weather.light, np.float32)
    lit[np.array(canvas.distances) == 0.0] = colors[np.array(canvas.distances) == 0.0]  # the sky is a light source
    surface = (lit * through + np.array(weather.low, np.float32) * (1 - through)).astype(np.float32)
    grain = np.array([paint.grain for paint in canvas.paints], np.float32) * through[:, 0]
    mottle = np.array([paint.mottle for paint in canvas.paints], np.float32) * through[:, 0]

    fine, coarse = (
        _crop_tile(_make_fine_noise(), canvas.size, dice),
        _crop_tile(_make_coarse_noise(), canvas.size, dice),
    )
    texture = grain.take(canvas.numbers) * fine + mottle.take(canvas.numbers) * coarse + np.float32(1.0)
    columns = 1.0 + weather.slope * np.linspace(-0.5, 0.5, width, dtype=np.float32)
    across, down = np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32)
    shade = (columns - 0.5 * weather.vignette * across**2)[None, :] - (0.5 * weather.vignette * down**2)[:, None]
    texture *= shade
    image = surface.take(canvas.numbers, axis=0) * texture[:, :, None]  # [H, W, 3]
    image = cv2.GaussianBlur(image, (5, 5), weather.blur, borderType=cv2.BORDER_REPLICATE)
    # The tone curve is a table: 4096 steps are finer than the resulting grey levels.
    steps = np.arange(4096, dtype=np.float64) / 4095 * 1.3
    curve = (255 * np.minimum(steps, 1.0) ** weather.gamma).astype(np.float32)
    levels = curve.take(np.clip(image * np.float32(4095 / 1.3), 0, 4095).astype(np.int32))
    levels += np.float32(weather.noise) * _make_sensor_noise(canvas, dice) + np.float32(0.5)
    return np.asarray(np.clip(levels, 0, 255), np.uint8)


def _crop_tile(tile: NDArray[np.float32], size: tuple[int, int], dice: Dice) -> NDArray[np.float32]:
    """Crop the tile at a random position."""
    top, left = (dice.integer(0, whole - part) for whole, part in zip(tile.shape, size, strict=True))
    return np.ascontiguousarray(tile[top : top + size[0], left : left + size[1]])


def _make_sensor_noise(canvas: Canvas, dice: Dice) -> NDArray[np.float32]:
    """Create noise of unit deviation that is independent in the three channels."""
    return np.dstack([_crop_tile(_make_gaussian(), canvas.size, dice) for _ in range(3)])


@cache
def _make_fine_noise() -> NDArray[np.float32]:
    """Create texture with features of one to three pixels."""
    raw = _make_uniform(1)
    return np.asarray(0.5 * raw + 1.2 * cv2.blur(raw, (3, 3)), np.float32)


@cache
def _make_coarse_noise() -> NDArray[np.float32]:
    """Create texture with features of eight pixels and more, in four octaves."""
    total = np.zeros(_TILE, np.float32)
    for octave, weight in ((8, 0.3), (20, 0.4), (60, 0.6), (160, 0.7)):
        small = _make_uniform(octave)[: _TILE[0] // octave + 2, : _TILE[1] // octave + 2]
        total += weight * cv2.resize(np.ascontiguousarray(small), _TILE[::-1], interpolation=cv2.INTER_CUBIC)
    return total


@cache
def _make_gaussian() -> NDArray[np.float32]:
    """Create approximately normal noise of unit deviation: the sum of four uniform variables of variance one third."""
    parts = [_make_uniform(seed) for seed in (2, 3, 5, 7)]
    return np.asarray(sum(parts) * np.float32((3 / 4) ** 0.5), np.float32)


@cache
def _make_uniform(seed: int) -> NDArray[np.float32]:
    return Dice(0x5EED, seed).uniforms(_TILE[0] * _TILE[1], -1.0, 1.0).astype(np.float32).reshape(_TILE)
