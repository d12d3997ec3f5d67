"""Pasting of a cut-out into a frame, with the frame's light, haze, sharpness and noise, and a shadow at its foot."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oodbench.blending.appearance import Appearance, measure_ground_color
from oodbench.blending.blurring import apply_blur, apply_weighted_blur
from oodbench.blending.cutout import OPAQUE, RIM, Cutout, resize_cutout
from oodbench.blending.ground_plane import Ground, Place
from oodbench.blending.light import apply_lighting
from oodbench.blending.same_scale import can_keep_pixels, composite_at_same_scale
from oodbench.blending.sensor import GRAIN, apply_sensor
from oodbench.blending.shadow import cast_shadow
from oodbench.types import RGBImage
from oodbench.worlds.dice import Dice

# Variance of a box filter of one pixel: the blur that downscaling adds.
_REDUCED = 1 / 12
# Blurs below this are not applied.
_SHARP = 0.2
_MARGIN = 8
# Pixels that the object covers less are blended linearly into the unchanged background.
_FAINT = 0.05


def paste(
    image: NDArray[np.float32],
    frame: RGBImage,
    cutout: Cutout,
    place: Place,
    ground: Ground,
    appearance: Appearance,
    dice: Dice,
) -> NDArray[np.bool_]:
    """Paste a cut-out into `image`.

    Args:
        image: float32 [H, W, 3] in grey levels, changed in place.
        frame: uint8 [H, W, 3], the original frame, from which the light at the place is measured.
        cutout: Cut-out to paste.
        place: Box of the object, completely inside the image.
        ground: Ground of the frame.
        appearance: Appearance of the frame.
        dice: Source of the noise.

    Returns:
        bool [h, w], the pixels of the box that belong to the object.
    """
    layer = resize_cutout(cutout, (place.height, place.width))
    light = measure_ground_color(frame, ground, place.left, place.right, place.bottom)
    cast_shadow(image, layer.alpha, place, ground)
    rows, columns = image.shape[:2]
    top, left = max(place.top - _MARGIN, 0), max(place.left - _MARGIN, 0)
    bottom, right = min(place.bottom + _MARGIN, rows), min(place.right + _MARGIN, columns)
    part = np.s_[
        top - place.top + _MARGIN : bottom - place.top + _MARGIN,
        left - place.left + _MARGIN : right - place.left + _MARGIN,
    ]
    window = image[top:bottom, left:right]
    if cutout.rim is not None and can_keep_pixels(cutout, place, appearance):
        edges = ((_MARGIN - RIM, _MARGIN - RIM),) * 2
        color, opacity = (np.asarray(pixels, np.float32) for pixels in cutout.rim)
        # The cut-out has the right haze already, because its distance was the same.
        color = np.pad(apply_lighting(color, opacity >= OPAQUE, cutout.ground, light, appearance), (*edges, (0, 0)))
        window[:] = composite_at_same_scale(window, color[part], np.pad(opacity / np.float32(255), edges)[part], dice)
    else:
        color = apply_lighting(layer.color, layer.inside, cutout.ground, light, appearance)
        color = _add_haze(color, ground.distance(place.bottom), appearance)
        shrink = place.height / cutout.size[0]
        window[:] = _composite_resized(window, part, color, layer.alpha, shrink, cutout, appearance, dice)
    return layer.inside


def _composite_resized(
    behind: NDArray[np.float32],
    part: tuple[slice, slice],
    color: NDArray[np.float32],
    opacity: NDArray[np.float32],
    shrink: float,
    cutout: Cutout,
    appearance: Appearance,
    dice: Dice,
) -> NDArray[np.float32]:
    """Composite a resized object over the window, as the frame's camera sees both: float32 [h, w, 3].

    Args:
        behind: float32 [h, w, 3], the window.
        part: Region of the object's box with margin that is inside the window.
        color: float32 [h, w, 3], colour of the object, without margin.
        opacity: float32 [h, w], opacity of the object, 0 to 1, without margin.
        shrink: Scale of the object relative to its original pixels.
        cutout: Cut-out from which the object was made.
        appearance: Appearance of the frame.
        dice: Source of the noise.
    """
    present = (shrink * cutout.blur) ** 2 + (_REDUCED if shrink < 0.95 or not cutout.blur else 0.0)
    blur = max(appearance.blur**2 - present, 0.0) ** 0.5
    color, alpha = _pad_and_blur(color, opacity, blur)
    # Averaging reduces the noise of the cut-out, more strongly the wider its kernel is relative to the grain.
    remaining_noise = cutout.noise * GRAIN / (GRAIN**2 + (blur**2 + _REDUCED) / shrink**2) ** 0.5
    cover = alpha[part]
    composite = behind + cover[:, :, None] * (color[part] - behind)
    # Sensor noise is independent of object boundaries, so top up each pixel's noise to the level of the frame.
    present_noise = ((1.0 - cover) * appearance.noise) ** 2 + (cover * remaining_noise) ** 2
    noise = np.sqrt(np.maximum(appearance.noise**2 - present_noise, 0.0), dtype=np.float32)
    sensed = apply_sensor(composite, noise, dice, appearance.channel_noise)
    return np.asarray(behind + np.minimum(cover / _FAINT, 1.0)[:, :, None] * (sensed - behind), np.float32)


def _add_haze(color: NDArray[np.float32], distance: float, appearance: Appearance) -> NDArray[np.float32]:
    through = float(np.exp(-appearance.haze * distance))
    return np.asarray(color * through + appearance.air * (1.0 - through), np.float32)


def _pad_and_blur(
    color: NDArray[np.float32], alpha: NDArray[np.float32], blur: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Pad colour and opacity with a margin and blur both as the lens does.

    Colours are extrapolated beyond the outline, so that the soft border shows only colours of the object.
    """
    edges = (_MARGIN, _MARGIN)
    color, alpha = np.pad(color, (edges, edges, (0, 0))), np.pad(alpha, _MARGIN)
    near, wide = apply_weighted_blur(color, alpha, max(blur, _SHARP)), apply_weighted_blur(color, alpha, 2.5)
    known = np.clip(2.0 * apply_blur(alpha, 0.5), 0.0, 1.0)[:, :, None]
    return np.asarray(near * known + wide * (1.0 - known), np.float32), apply_blur(alpha, max(blur, _SHARP))
