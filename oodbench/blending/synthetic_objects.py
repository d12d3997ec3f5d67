"""Painted objects with shading, texture and grain, so that they fit into a photograph."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from oodbench.blending.blurring import apply_blur
from oodbench.blending.cutout import Cutout, trim
from oodbench.types import Size
from oodbench.worlds.canvas import Canvas
from oodbench.worlds.dice import Dice
from oodbench.worlds.objects import ANOMALIES

_TALL = 512
# Kinds with a rounded shape; the others have flat faces with bevelled edges.
_ROUND = {"animal", "bird", "tyres"}
_ROUGH = {"boulder", "sheet"}
_BEVEL = 0.025
# Octaves of the texture: grain size relative to the object's height, and weight.
_OCTAVES = ((0.5, 0.5), (0.22, 0.45), (0.09, 0.4), (0.04, 0.35), (0.016, 0.3))
# Perturbation of outlines relative to the object's height.
_STRAY = {True: 0.012, False: 0.003}


def paint_object(kind: str, dice: Dice) -> Cutout:
    """Paint one of `ANOMALIES`, 512 pixels high."""
    picture = ANOMALIES[kind](dice)
    size = (_TALL, round(_TALL * picture.aspect))
    canvas = Canvas(size)
    picture.paint(canvas, 0.0, 0.0, size[1], size[0], 1.0)
    numbers = _perturb_outlines(canvas.numbers, _STRAY[kind in _ROUND | _ROUGH], dice)
    colors = np.array([paint.color for paint in canvas.paints], np.float32)
    flat = apply_blur(colors[numbers], 1.5)
    texture = _make_texture(size, dice)
    surface = 1.0 + np.float32(1.4 * picture.mottle) * texture + np.float32(picture.grain) * _make_grain(size, dice)
    lit = flat * (_shade(numbers, kind, texture, dice) * surface)[:, :, None]
    alpha = np.where(numbers > 0, 255, 0).astype(np.uint8)
    color = np.clip(lit * 255 + 0.5, 0, 255).astype(np.uint8)
    return Cutout(kind, *trim(color, alpha), dice.uniform(*picture.tall))


def _perturb_outlines(numbers: NDArray[np.int32], stray: float, dice: Dice) -> NDArray[np.int32]:
    """Displace the numbered regions of a picture, so that outlines are not perfectly straight.

    Computed in double precision without library filters, so that the result is identical on all machines.
    """
    rows, columns = numbers.shape
    moved = []
    for coordinates in np.indices(numbers.shape):
        shift = np.zeros(numbers.shape)
        for share, weight in ((0.3, 0.6), (0.1, 0.3), (0.04, 0.15)):
            step = max(round(share * _TALL), 2)
            shift += weight * _interpolate_noise(dice, (rows, columns), step)
        moved.append(coordinates + np.rint(stray * _TALL * shift).astype(np.int64))
    inside = (moved[0] >= 0) & (moved[0] < rows) & (moved[1] >= 0) & (moved[1] < columns)
    displaced = numbers[np.clip(moved[0], 0, rows - 1), np.clip(moved[1], 0, columns - 1)]
    return np.where(inside, displaced, 0).astype(np.int32)


def _interpolate_noise(dice: Dice, size: Size, step: int) -> NDArray[np.float64]:
    """Interpolate random values bilinearly between the points of a grid, float64 [h, w] in [-1, 1)."""
    grid = [side // step + 2 for side in size]
    draws = dice.uniforms(grid[0] * grid[1], -1.0, 1.0).reshape(grid)
    (row, down), (column, right) = ((np.arange(side) // step, np.arange(side) % step / step) for side in size)
    upper = draws[row] * (1 - down)[:, None] + draws[row + 1] * down[:, None]
    between: NDArray[np.float64] = upper[:, column] * (1 - right) + upper[:, column + 1] * right
    return between


def _shade(numbers: NDArray[np.int32], kind: str, texture: NDArray[np.float32], dice: Dice) -> NDArray[np.float32]:
    """Compute the shading, float32 [h, w], about 1: light comes from the sky, and the foot is darker."""
    whole, part, bumps = (
        (1.0, 0.5, 0.004) if kind in _ROUND else (0.7, 0.1, 0.02) if kind in _ROUGH else (0.2, 0.5, 0.001)
    )
    relief = whole * _inflate(numbers > 0, 0.35 * _TALL) + np.float32(bumps * _TALL) * texture
    for number in np.unique(numbers)[1:].tolist():
        left, top, width, height = cv2.boundingRect((numbers == number).astype(np.uint8))
        box = np.s_[top : top + height, left : left + width]
        relief[box] += part * _inflate(numbers[box] == number, (0.2 if kind in _ROUND else _BEVEL) * _TALL)
    relief = apply_blur(relief, 0.006 * _TALL)
    right = cv2.Sobel(relief, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(relief, cv2.CV_32F, 0, 1, scale=1 / 8)
    side = np.float32(dice.uniform(-0.35, 0.35))
    toward = (0.72 - 0.55 * down - side * right) / np.sqrt(1.0 + right**2 + down**2)
    foot = np.linspace(1.0, 0.0, numbers.shape[0], dtype=np.float32)[:, None]
    shade = 0.65 + 0.35 * np.minimum(foot / 0.35, 1.0)
    return np.asarray(np.clip(0.32 + 1.0 * toward, 0.2, 1.6) * shade, np.float32)


def _inflate(inside: NDArray[np.bool_], radius: float) -> NDArray[np.float32]:
    """Compute the height in pixels of a pillow over an outline, rounded up to `radius` from its border."""
    depth = cv2.distanceTransform(np.pad(inside.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    radius = min(radius, max(float(depth.max()), 1.0))
    rise = np.minimum(depth / radius, 1.0)
    return np.asarray(radius * np.sqrt(rise * (2.0 - rise)), np.float32)


def _make_texture(size: Size, dice: Dice) -> NDArray[np.float32]:
    """Create a texture around 0 from coarse to fine, float32 [h, w]."""
    total = np.zeros(size, np.float32)
    for share, weight in _OCTAVES:
        step = max(round(share * _TALL), 2)
        rows, columns = size[0] // step + 3, size[1] // step + 3
        coarse = dice.uniforms(rows * columns, -1.0, 1.0).reshape(rows, columns).astype(np.float32)
        fine = cv2.resize(coarse, (columns * step, rows * step), interpolation=cv2.INTER_CUBIC)
        total += np.float32(weight) * fine[step : step + size[0], step : step + size[1]]
    return total


def _make_grain(size: Size, dice: Dice) -> NDArray[np.float32]:
    raw = dice.uniforms(size[0] * size[1], -1.0, 1.0).reshape(size).astype(np.float32)
    return apply_blur(raw, 2.0) * np.float32(5.0)
