"""One blended frame: selection and placement of objects, and the resulting labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from oodbench.blending.appearance import Appearance
from oodbench.blending.compose import paste
from oodbench.blending.cutout import Cutout
from oodbench.blending.ground_plane import Ground, Place
from oodbench.blending.placement import find_place
from oodbench.blending.synthetic_objects import paint_object
from oodbench.types import ANOMALY, IN_DISTRIBUTION, VOID, RGBImage
from oodbench.worlds.dice import Dice
from oodbench.worlds.objects import ANOMALIES

# Number of anomalies and of known objects per frame: (number, weight).
_ANOMALIES = ((0, 0.2), (1, 0.4), (2, 0.25), (3, 0.15))
_ORDINARY = ((0, 0.3), (1, 0.4), (2, 0.3))
_WALKERS = ("person", "pedestrian")


Label: TypeAlias = Literal["anomaly", "ordinary"]


@dataclass(frozen=True)
class BlendResult:
    """A blended frame.

    Attributes:
        image: uint8 [H, W, 3].
        labels: uint8 [H, W] of IN_DISTRIBUTION, ANOMALY and VOID.
        pasted: Kind, label and place of each object, from far to near.
    """

    image: RGBImage
    labels: NDArray[np.uint8]
    pasted: Sequence[tuple[str, Label, Place]]


def blend_frame(
    frame: RGBImage,
    ground: Ground,
    appearance: Appearance,
    cutouts: Sequence[Cutout],
    negatives: Sequence[Cutout],
    dice: Dice,
) -> BlendResult:
    """Blend objects into a frame.

    Args:
        frame: uint8 [H, W, 3].
        ground: Ground of the frame.
        appearance: Appearance of the frame.
        cutouts: Anomalies to choose from. Without any, anomalies are painted.
        negatives: Known objects to choose from, cut out of other frames.
        dice: Source of all random choices.
    """
    occupied: list[Place] = []
    chosen: list[tuple[Place, Cutout, Label]] = []
    for _ in range(dice.weighted(_ANOMALIES)):
        cutout = dice.pick(cutouts) if cutouts else paint_object(dice.pick(sorted(ANOMALIES)), dice)
        place = find_place(cutout, ground, occupied, dice)
        if place is not None:
            occupied.append(place)
            chosen.append((place, cutout, "anomaly"))
    for _ in range(dice.weighted(_ORDINARY) if negatives else 0):
        cutout = dice.pick(negatives)
        place = find_place(cutout, ground, occupied, dice, allow_roadside=cutout.kind in _WALKERS, keep_size=True)
        if place is not None:
            occupied.append(place)
            chosen.append((place, cutout, "ordinary"))
    chosen.sort(key=lambda item: item[0].bottom)

    levels = frame.astype(np.float32)
    labels = np.where(ground.void, VOID, IN_DISTRIBUTION).astype(np.uint8)
    for place, cutout, label in chosen:
        inside = paste(levels, frame, cutout, place, ground, appearance, dice)
        if label == "anomaly":
            labels[place.top : place.bottom, place.left : place.right][inside] = ANOMALY
    image = np.clip(levels + 0.5, 0, 255).astype(np.uint8)
    return BlendResult(image, labels, [(cutout.kind, label, place) for place, cutout, label in chosen])
