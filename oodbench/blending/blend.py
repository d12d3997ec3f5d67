"""One blended frame: which things, where, and what its labels are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from oodbench.blending.appearance import Look
from oodbench.blending.compose import paste
from oodbench.blending.cutout import Cutout
from oodbench.blending.ground_plane import Ground, Place
from oodbench.blending.placement import find_place
from oodbench.blending.synthetic_objects import painted
from oodbench.types import ANOMALY, IN_DISTRIBUTION, VOID, RGBImage
from oodbench.worlds.dice import Dice
from oodbench.worlds.objects import ANOMALIES

# Anomalies and ordinary things in a frame: (number, weight).
_ANOMALIES = ((0, 0.2), (1, 0.4), (2, 0.25), (3, 0.15))
_ORDINARY = ((0, 0.3), (1, 0.4), (2, 0.3))
_WALKERS = ("person", "pedestrian")


Label: TypeAlias = Literal["anomaly", "ordinary"]


@dataclass(frozen=True)
class Blend:
    """A blended frame.

    Attributes:
        image: uint8 [H, W, 3].
        labels: uint8 [H, W] of IN_DISTRIBUTION, ANOMALY and VOID.
        pasted: kind, label and place of each thing, from far to near.
    """

    image: RGBImage
    labels: NDArray[np.uint8]
    pasted: Sequence[tuple[str, Label, Place]]


def blend(
    frame: RGBImage,
    ground: Ground,
    look: Look,
    cutouts: Sequence[Cutout],
    negatives: Sequence[Cutout],
    dice: Dice,
) -> Blend:
    """Blend things into a frame.

    Args:
        frame: uint8 [H, W, 3].
        ground: of the frame.
        look: of the frame.
        cutouts: anomalies to choose from; where there are none, anomalies are painted.
        negatives: ordinary things to choose from, cut out of other frames.
        dice: all chance comes from these.
    """
    taken: list[Place] = []
    chosen: list[tuple[Place, Cutout, Label]] = []
    for _ in range(dice.weighted(_ANOMALIES)):
        cutout = dice.pick(cutouts) if cutouts else painted(dice.pick(sorted(ANOMALIES)), dice)
        place = find_place(cutout, ground, taken, dice)
        if place is not None:
            taken.append(place)
            chosen.append((place, cutout, "anomaly"))
    for _ in range(dice.weighted(_ORDINARY) if negatives else 0):
        cutout = dice.pick(negatives)
        place = find_place(cutout, ground, taken, dice, beside=cutout.kind in _WALKERS, as_large=True)
        if place is not None:
            taken.append(place)
            chosen.append((place, cutout, "ordinary"))
    chosen.sort(key=lambda item: item[0].bottom)

    levels = frame.astype(np.float32)
    labels = np.where(ground.void, VOID, IN_DISTRIBUTION).astype(np.uint8)
    for place, cutout, label in chosen:
        inside = paste(levels, frame, cutout, place, ground, look, dice)
        if label == "anomaly":
            labels[place.top : place.bottom, place.left : place.right][inside] = ANOMALY
    image = np.clip(levels + 0.5, 0, 255).astype(np.uint8)
    return Blend(image, labels, [(cutout.kind, label, place) for place, cutout, label in chosen])
