"""Known objects cut out of the labelled frames: uncropped, and not occluded."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from oodbench.blending.appearance import Appearance, measure_ground_color
from oodbench.blending.cutout import RIM, Cutout, trim
from oodbench.blending.ground_plane import Ground, is_uncropped
from oodbench.blending.instances import KNOWN_HEIGHTS, Instance, find_instances
from oodbench.blending.matting import estimate_matte
from oodbench.types import RGBImage, SemanticLabels

# Minimum height as a share of the frame: smaller objects have no interior after removal of their border.
_TALL = 0.045
# Minimum share of the box that the object covers, below which it is occluded; and maximum aspect ratio, above which
# it is a row of objects.
_FILL = {"car": 0.6, "van": 0.6, "truck": 0.6, "bus": 0.6, "person": 0.35, "pedestrian": 0.35}
_WIDE = 3.2
_PLAUSIBLE = (0.8, 1.3)
# Width in pixels of the ring around the outline, and the maximum share of it that is in front of the object.
_RING = 5
_IN_FRONT = 0.04


def cut_known_objects(
    image: RGBImage, labels: SemanticLabels, ground: Ground, appearance: Appearance
) -> Iterator[Cutout]:
    """Cut out the objects of a frame that stand on the ground, are uncropped and unoccluded, and have a plausible size.

    Args:
        image: uint8 [H, W, 3].
        labels: Semantic labels.
        ground: Ground of the frame.
        appearance: Appearance of the frame.
    """
    for instance in find_instances(labels, _FILL):
        height, width = instance.inside.shape
        tall = height / max(ground.scale(instance.bottom), 1e-9) / KNOWN_HEIGHTS[instance.name]
        if (
            height >= _TALL * ground.size[0]
            and width <= _WIDE * height
            and instance.inside.mean() >= _FILL[instance.name]
            and _PLAUSIBLE[0] < tall < _PLAUSIBLE[1]
            and is_uncropped(instance, ground.size)
            and _is_unoccluded(instance, ground)
        ):
            yield _cut_out(instance, image, ground, appearance)


def _is_unoccluded(instance: Instance, ground: Ground) -> bool:
    rows, columns = ground.size
    top, left = max(instance.top - _RING, 0), max(instance.left - _RING, 0)
    window = np.s_[top : min(instance.bottom + _RING, rows), left : min(instance.right + _RING, columns)]
    inside = np.zeros((window[0].stop - top, window[1].stop - left), np.uint8)
    inside[instance.top - top :, instance.left - left :][: instance.inside.shape[0], : instance.inside.shape[1]] = (
        instance.inside
    )
    ring = (cv2.dilate(inside, np.ones((2 * _RING + 1, 2 * _RING + 1), np.uint8)) > 0) & (inside == 0)
    below = ring & (np.arange(window[0].start, window[0].stop)[:, None] > instance.bottom)
    in_front = (ground.standing[window] > instance.bottom - instance.height // 8) | ground.void[window]
    floor = (ground.road | ground.walks)[window]
    return bool(in_front[ring].mean() < _IN_FRONT and below.any() and floor[below].mean() > 0.8)


def _cut_out(instance: Instance, image: RGBImage, ground: Ground, appearance: Appearance) -> Cutout:
    color, alpha = trim(*estimate_matte(image, instance), RIM)
    within = np.s_[RIM:-RIM, RIM:-RIM]
    return Cutout(
        instance.name,
        color[within],
        alpha[within],
        metres=instance.height / ground.scale(instance.bottom),
        blur=appearance.blur,
        noise=appearance.noise,
        ground=measure_ground_color(image, ground, instance.left, instance.right, instance.bottom),
        rim=(color, alpha),
    )
