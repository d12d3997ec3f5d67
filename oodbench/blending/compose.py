"""Putting a cut-out into a frame: its light, its haze, its sharpness, its noise, and the shadow at its foot."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oodbench.blending.cutout import Cutout, Layer, sized
from oodbench.blending.ground import Ground, Place
from oodbench.blending.look import Look, ground_color, white
from oodbench.blending.sensor import GRAIN, taken
from oodbench.blending.shadow import cast_shadow
from oodbench.blending.soft import softened
from oodbench.types import RGBImage
from oodbench.worlds.dice import Dice

# A box filter's variance over a pixel: what reducing alone blurs.
_REDUCED = 1 / 12
# Light at two places differs by so much at most.
_GAIN = (0.35, 2.5)
# Less than that is no blur.
_SHARP = 0.2
_MARGIN = 8
# What covers less of a pixel leaves it as it was.
_FAINT = 0.05


def paste(
    image: NDArray[np.float32], frame: RGBImage, cutout: Cutout, place: Place, ground: Ground, look: Look, dice: Dice
) -> NDArray[np.bool_]:
    """Put the cut-out into `image`; returns which pixels of its box it takes.

    Args:
        image: float32 [H, W, 3] in grey levels, changed in place.
        frame: uint8 [H, W, 3], the frame as it was, for the light of the place.
        cutout: what.
        place: where; wholly in the image.
        ground: of the frame.
        look: of the frame.
        dice: for its noise.
    """
    layer = sized(cutout, (place.height, place.width))
    light = ground_color(frame, ground, place.left, place.right, place.bottom)
    color = _hazy(_lit(cutout, layer, light, look), ground.distance(place.bottom), look)
    shrink = place.height / cutout.size[0]
    present = (shrink * cutout.blur) ** 2 + (_REDUCED if shrink < 0.95 or not cutout.blur else 0.0)
    blur = max(look.blur**2 - present, 0.0) ** 0.5
    color, alpha = _soft(color, layer.alpha, blur)
    # Averaging leaves less of the cut-out's own noise, the more the wider it reaches beside the grain.
    own = cutout.noise * GRAIN / (GRAIN**2 + (blur**2 + _REDUCED) / shrink**2) ** 0.5
    cast_shadow(image, layer.alpha, place, ground)
    rows, columns = image.shape[:2]
    top, left = max(place.top - _MARGIN, 0), max(place.left - _MARGIN, 0)
    bottom, right = min(place.bottom + _MARGIN, rows), min(place.right + _MARGIN, columns)
    part = np.s_[
        top - place.top + _MARGIN : bottom - place.top + _MARGIN,
        left - place.left + _MARGIN : right - place.left + _MARGIN,
    ]
    cover = alpha[part]
    window = image[top:bottom, left:right]
    seen = window + cover[:, :, None] * (color[part] - window)
    # The sensor's noise comes after the lens and knows no border: each pixel gets what either side brings too little.
    there = ((1.0 - cover) * look.noise) ** 2 + (cover * own) ** 2
    noise = np.sqrt(np.maximum(look.noise**2 - there, 0.0), dtype=np.float32)
    window += np.minimum(cover / _FAINT, 1.0)[:, :, None] * (taken(seen, noise, dice, look.unlike) - window)
    return layer.inside


def _lit(cutout: Cutout, layer: Layer, light: NDArray[np.float64], look: Look) -> NDArray[np.float32]:
    """Grey levels in the light of the place."""
    if cutout.ground is None:
        plain = white(light, look)
        return np.asarray(look.black + layer.color / 255.0 * (plain - look.black), np.float32)
    color = layer.color * np.clip(light / np.maximum(cutout.ground, 1.0), *_GAIN)
    # What was in the sun is no brighter in the shade than what else is bright there.
    brightest = float(np.percentile(color[layer.inside], 99)) if layer.inside.any() else 1.0
    return np.asarray(color * min(1.0, look.bright / max(brightest, 1.0)), np.float32)


def _hazy(color: NDArray[np.float32], distance: float, look: Look) -> NDArray[np.float32]:
    through = float(np.exp(-look.haze * distance))
    return np.asarray(color * through + look.air * (1.0 - through), np.float32)


def _soft(
    color: NDArray[np.float32], alpha: NDArray[np.float32], blur: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Both with a margin, and as soft as the lens makes them.

    Colours go on beyond the outline, so that the soft border shows the thing's own colour and nothing else.
    """
    edges = (_MARGIN, _MARGIN)
    color, alpha = np.pad(color, (edges, edges, (0, 0))), np.pad(alpha, _MARGIN)
    near, wide = _spread(color, alpha, max(blur, _SHARP)), _spread(color, alpha, 2.5)
    known = np.clip(2.0 * softened(alpha, 0.5), 0.0, 1.0)[:, :, None]
    return np.asarray(near * known + wide * (1.0 - known), np.float32), softened(alpha, max(blur, _SHARP))


def _spread(color: NDArray[np.float32], alpha: NDArray[np.float32], blur: float) -> NDArray[np.float32]:
    """A blur that takes only what is opaque."""
    weight = softened(alpha, blur)[:, :, None]
    return np.asarray(softened(color * alpha[:, :, None], blur) / np.maximum(weight, 1e-4), np.float32)
