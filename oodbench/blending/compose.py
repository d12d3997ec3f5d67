"""Putting a cut-out into a frame: its light, its haze, its sharpness, its noise, and the shadow at its foot."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oodbench.blending.appearance import Look, ground_color
from oodbench.blending.cutout import OPAQUE, RIM, Cutout, sized
from oodbench.blending.ground_plane import Ground, Place
from oodbench.blending.light import lit
from oodbench.blending.same_scale import as_it_was, joined
from oodbench.blending.sensor import GRAIN, taken
from oodbench.blending.shadow import cast_shadow
from oodbench.blending.soft import softened, spread
from oodbench.types import RGBImage
from oodbench.worlds.dice import Dice

# A box filter's variance over a pixel: what reducing alone blurs.
_REDUCED = 1 / 12
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
    cast_shadow(image, layer.alpha, place, ground)
    rows, columns = image.shape[:2]
    top, left = max(place.top - _MARGIN, 0), max(place.left - _MARGIN, 0)
    bottom, right = min(place.bottom + _MARGIN, rows), min(place.right + _MARGIN, columns)
    part = np.s_[
        top - place.top + _MARGIN : bottom - place.top + _MARGIN,
        left - place.left + _MARGIN : right - place.left + _MARGIN,
    ]
    window = image[top:bottom, left:right]
    if cutout.rim is not None and as_it_was(cutout, place, look):
        edges = ((_MARGIN - RIM, _MARGIN - RIM),) * 2
        color, opacity = (np.asarray(pixels, np.float32) for pixels in cutout.rim)
        # Haze lies on it already: it stood as far away.
        color = np.pad(lit(color, opacity >= OPAQUE, cutout.ground, light, look), (*edges, (0, 0)))
        window[:] = joined(window, color[part], np.pad(opacity / np.float32(255), edges)[part], dice)
    else:
        color = lit(layer.color, layer.inside, cutout.ground, light, look)
        color = _hazy(color, ground.distance(place.bottom), look)
        shrink = place.height / cutout.size[0]
        window[:] = _taken_anew(window, part, color, layer.alpha, shrink, cutout, look, dice)
    return layer.inside


def _taken_anew(
    behind: NDArray[np.float32],
    part: tuple[slice, slice],
    color: NDArray[np.float32],
    opacity: NDArray[np.float32],
    shrink: float,
    cutout: Cutout,
    look: Look,
    dice: Dice,
) -> NDArray[np.float32]:
    """float32 [h, w, 3], the window with the resized thing in it, as the frame's camera sees both.

    Args:
        behind: float32 [h, w, 3], the window.
        part: of the thing's box with its margin, what is in the window.
        color, opacity: of the thing, without margin.
        shrink: how large it is by its own pixels.
        cutout: what it was made of.
        look: of the frame.
        dice: for its noise.
    """
    present = (shrink * cutout.blur) ** 2 + (_REDUCED if shrink < 0.95 or not cutout.blur else 0.0)
    blur = max(look.blur**2 - present, 0.0) ** 0.5
    color, alpha = _soft(color, opacity, blur)
    # Averaging leaves less of the cut-out's own noise, the more the wider it reaches beside the grain.
    own = cutout.noise * GRAIN / (GRAIN**2 + (blur**2 + _REDUCED) / shrink**2) ** 0.5
    cover = alpha[part]
    seen = behind + cover[:, :, None] * (color[part] - behind)
    # The sensor's noise comes after the lens and knows no border: each pixel gets what either side brings too little.
    there = ((1.0 - cover) * look.noise) ** 2 + (cover * own) ** 2
    noise = np.sqrt(np.maximum(look.noise**2 - there, 0.0), dtype=np.float32)
    sensed = taken(seen, noise, dice, look.unlike)
    return np.asarray(behind + np.minimum(cover / _FAINT, 1.0)[:, :, None] * (sensed - behind), np.float32)


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
    near, wide = spread(color, alpha, max(blur, _SHARP)), spread(color, alpha, 2.5)
    known = np.clip(2.0 * softened(alpha, 0.5), 0.0, 1.0)[:, :, None]
    return np.asarray(near * known + wide * (1.0 - known), np.float32), softened(alpha, max(blur, _SHARP))
