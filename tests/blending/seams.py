"""Can a small classifier tell pasted ordinary things from those that were there, by patches along their borders?

Profiles across the border feed a random forest and a logistic regression, which are trained on all frames but one and
asked about that one. Both classes have the same number of patches for each frame, side of the border (foot or not) and
surface beyond it (ground or not), so that it is the seam that counts and not where things stand. Labels are a pixel or
two off what is seen, a mask is not: every patch is moved across the border by up to three pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from oodbench.blending.cutout import OPAQUE, Cutout
from oodbench.blending.ground import Ground, Place, ground_of, whole
from oodbench.blending.look import Look, look_of
from oodbench.blending.matte import MARGIN, matte
from oodbench.blending.ordinary import ordinary
from oodbench.blending.placing import find_place
from oodbench.blending.things import ORDINARY, things
from oodbench.types import Frame, RGBImage, SemanticLabels
from oodbench.worlds.dice import Dice

REACH, ALONG, JITTER, SMALLEST = 8, 4, 3, 40
Paste = Callable[["Shot", Cutout, Place, Dice], tuple[np.ndarray, np.ndarray]]
"""(frame, what, where) -> the image, and a mask of its box."""


@dataclass(frozen=True)
class Shot:
    """A frame with all that is measured of it."""

    image: RGBImage
    labels: SemanticLabels
    ground: Ground
    look: Look
    cutouts: Sequence[Cutout]


def shot(frame: Frame) -> Shot:
    assert frame.read_semantic_labels is not None
    image, labels = frame.read_image(), frame.read_semantic_labels()
    ground = ground_of(labels, image.shape[:2])
    look = look_of(image, ground)
    return Shot(image, labels, ground, look, tuple(ordinary(image, labels, ground, look)))


def profiles(
    image: np.ndarray, inside: np.ndarray, left: int, top: int, dice: Dice, most: int
) -> Iterator[tuple[str, np.ndarray]]:
    """(cell, features) of patches along the border of a mask whose corner is at (left, top)."""
    margin = REACH + JITTER + 2
    padded = np.pad(inside.astype(np.uint8), margin)
    signed = cv2.distanceTransform(padded, cv2.DIST_L2, 5) - cv2.distanceTransform(1 - padded, cv2.DIST_L2, 5)
    smooth = cv2.GaussianBlur(signed, (0, 0), 2.0)
    down, right = np.gradient(smooth)
    border = np.argwhere((padded > 0) & (signed <= 1.0))
    for _ in range(most):
        row, column = border[dice.integer(0, len(border) - 1)]
        normal = -np.array([right[row, column], down[row, column]])
        length = float(np.hypot(*normal))
        if length < 0.5:
            continue
        normal /= length
        tangent = np.array([-normal[1], normal[0]])
        shift = dice.uniform(-JITTER, JITTER)
        across = np.arange(-REACH, REACH + 1)[:, None] + shift
        along = np.arange(-ALONG, ALONG + 1)[None, :]
        x = (column - margin + left + across * normal[0] + along * tangent[0]).astype(np.float32)
        y = (row - margin + top + across * normal[1] + along * tangent[1]).astype(np.float32)
        if x.min() < 1 or y.min() < 1 or x.max() > image.shape[1] - 2 or y.max() > image.shape[0] - 2:
            continue
        foot = "foot" if normal[1] > 0.7 else "side"
        yield (
            f"{foot} {int(x[-1, ALONG])} {int(y[-1, ALONG])}",
            features(cv2.remap(image.astype(np.float32, copy=False), x, y, cv2.INTER_LINEAR)),
        )


def features(patch: np.ndarray) -> np.ndarray:
    """Of a patch [across, along, 3], from inside to outside."""
    grey = patch.mean(axis=2)
    level = np.abs(grey).mean() + 5.0
    across, along = np.abs(np.diff(grey, axis=0)), np.abs(np.diff(grey, axis=1))
    bend = np.abs(np.diff(grey, n=2, axis=0))
    mean = grey.mean(axis=1)
    edge = np.abs(np.diff(mean))
    tint = patch.mean(axis=1) - grey.mean(axis=1, keepdims=True)
    ripple = grey - cv2.blur(grey, (3, 3))
    third = len(grey) // 3
    return np.concatenate(
        [
            across.mean(axis=1) / level,
            along.mean(axis=1) / level,
            bend.mean(axis=1) / level,
            np.sort(edge)[::-1][:6] / level,
            np.sort(bend.ravel())[::-1][::12] / level,
            [edge.argmax() - REACH, edge.max() / max(edge.sum(), 1e-3), bend.max() / max(across.max(), 1e-3)],
            [ripple[:third].std(), ripple[third : 2 * third].std(), ripple[-third:].std()],
            np.abs(np.diff(tint, axis=0)).max(axis=0),
            tint[:third].mean(axis=0) - tint[-third:].mean(axis=0),
            [mean[:third].mean() - mean[-third:].mean(), mean.min(), mean.max()],
        ]
    )


def cell(where: str, ground: Ground) -> str:
    foot, column, row = where.split()
    floor = ground.road | ground.walks
    return f"{foot} {'ground' if floor[int(row), int(column)] else 'other'}"


def there(shot: Shot, dice: Dice, most: int) -> Iterator[tuple[str, np.ndarray]]:
    """Patches of the things that are in the frame."""
    found = [thing for thing in things(shot.labels, tuple(ORDINARY)) if thing.height >= SMALLEST]
    for thing in found:
        if not whole(thing, shot.ground.size):
            continue
        inside = matte(shot.image, thing)[1] >= OPAQUE
        for where, values in profiles(
            shot.image, inside, thing.left - MARGIN, thing.top - MARGIN, dice, most // max(len(found), 1)
        ):
            yield cell(where, shot.ground), values


def pasted(
    shot: Shot, cutouts: Sequence[Cutout], paste: Paste, dice: Dice, times: int, most: int
) -> Iterator[tuple[str, np.ndarray]]:
    """Patches of things that are pasted into the frame, one at a time."""
    for _ in range(times):
        cutout = dice.pick(cutouts)
        place = find_place(cutout, shot.ground, [], dice)
        if place is None or place.height < SMALLEST:
            continue
        image, inside = paste(shot, cutout, place, dice)
        for where, values in profiles(image, inside, place.left, place.top, dice, most // times):
            yield cell(where, shot.ground), values


def accuracy(shots: Sequence[Shot], paste: Paste, seed: int = 0, times: int = 10, most: int = 300) -> dict[str, float]:
    """Share of patches told right, by classifier: each frame by what was learned on the others."""
    samples: list[tuple[int, int, np.ndarray]] = []
    for index, one in enumerate(shots):
        others = [cutout for other in shots if other is not one for cutout in other.cutouts]
        dice = Dice(seed, index)
        groups: tuple[dict[str, list[np.ndarray]], dict[str, list[np.ndarray]]] = ({}, {})
        for group, source in zip(
            groups, (there(one, dice, most), pasted(one, others, paste, dice, times, most)), strict=True
        ):
            for name, values in source:
                group.setdefault(name, []).append(values)
        for name in groups[0].keys() & groups[1].keys():
            count = min(len(groups[0][name]), len(groups[1][name]))
            samples += [(index, kind, values) for kind in (0, 1) for values in groups[kind][name][:count]]
    frames, kinds = np.array([item[0] for item in samples]), np.array([item[1] for item in samples])
    values = np.stack([item[2] for item in samples])
    models = {
        "random forest": lambda: RandomForestClassifier(60, min_samples_leaf=3, max_depth=10, random_state=0),
        "logistic": lambda: make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000)),
    }
    right: dict[str, float] = {}
    for name, make in models.items():
        hits = [
            make().fit(values[frames != index], kinds[frames != index]).predict(values[frames == index])
            == kinds[frames == index]
            for index in np.unique(frames)
        ]
        right[name] = float(np.concatenate(hits).mean())
    return right | {"patches": float(len(kinds))}
