"""Can a small classifier tell pasted ordinary things from those that were there, by patches along their borders?

A random forest and a logistic regression see profiles across the border. They are asked about the things in one frame
and about things of a second one that were pasted there, and have learned from the other frames and their things alone:
with few frames they would otherwise know the cars themselves. Both kinds have the same number of patches for each
frame, side of the border (foot or not) and surface beyond it (ground or not), so that it is the seam that counts and
not where things stand. Borders are those of the matte for both, moved across by up to three pixels.

    python tests/blending/seams.py CITYSCAPES
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from oodbench.blending.compose import paste as blend_in
from oodbench.blending.cutout import OPAQUE, Cutout
from oodbench.blending.ground import Ground, Place, ground_of, whole
from oodbench.blending.look import Look, look_of
from oodbench.blending.matte import MARGIN, matte
from oodbench.blending.ordinary import ordinary
from oodbench.blending.placing import find_place
from oodbench.blending.things import ORDINARY, things
from oodbench.contracts import Roots
from oodbench.registry import Registry
from oodbench.types import Frame, RGBImage, SemanticLabels
from oodbench.worlds.dice import Dice

REACH, ALONG, JITTER, SMALLEST, TIMES = 8, 4, 3, 40, 2
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
    pixels = image.astype(np.float32, copy=False)
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
            features(cv2.remap(pixels, x, y, cv2.INTER_LINEAR)),
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


@dataclass(frozen=True)
class Patch:
    """`source` is the index of the frame that a pasted thing comes from, None for what was there."""

    frame: int
    source: int | None
    cell: str
    values: np.ndarray


def there(shots: Sequence[Shot], index: int, dice: Dice, most: int) -> Iterator[Patch]:
    """Patches of the things that are in a frame."""
    shot = shots[index]
    found = [
        thing
        for thing in things(shot.labels, tuple(ORDINARY))
        if thing.height >= SMALLEST and whole(thing, shot.ground.size)
    ]
    for thing in found:
        inside = matte(shot.image, thing)[1] >= OPAQUE
        corner = (thing.left - MARGIN, thing.top - MARGIN)
        for where, values in profiles(shot.image, inside, *corner, dice, most // len(found)):
            yield Patch(index, None, cell(where, shot.ground), values)


def pasted(shots: Sequence[Shot], index: int, paste: Paste, dice: Dice, most: int) -> Iterator[Patch]:
    """Patches of the things of every other frame, pasted into this one, one at a time."""
    shot = shots[index]
    others = [(source, cutout) for source, other in enumerate(shots) if source != index for cutout in other.cutouts]
    for source, cutout in others * TIMES:
        place = find_place(cutout, shot.ground, [], dice)
        if place is None or place.height < SMALLEST:
            continue
        image, inside = paste(shot, cutout, place, dice)
        for where, values in profiles(image, inside, place.left, place.top, dice, most // (TIMES * len(others))):
            yield Patch(index, source, cell(where, shot.ground), values)


def balanced(patches: Iterable[Patch]) -> tuple[np.ndarray, np.ndarray]:
    """Values and kinds (1: pasted), as many of either kind in each frame and cell."""
    groups: dict[tuple[int, str], tuple[list[np.ndarray], list[np.ndarray]]] = {}
    for patch in patches:
        pair = groups.setdefault((patch.frame, patch.cell), ([], []))
        pair[patch.source is not None].append(patch.values)
    values, kinds = [], []
    for pair in groups.values():
        count = min(map(len, pair))
        for kind, own in enumerate(pair):
            values += own[:count]
            kinds += [kind] * count
    return np.array(values), np.array(kinds)


def accuracy(shots: Sequence[Shot], paste: Paste, seed: int = 0, most: int = 320) -> dict[str, float]:
    """Share of patches told right, by classifier, over all pairs of a frame and the source of what is pasted there."""
    patches: list[Patch] = []
    for index in range(len(shots)):
        dice = Dice(seed, index)
        patches += [*there(shots, index, dice, most), *pasted(shots, index, paste, dice, most)]
    models = {
        "random forest": lambda: RandomForestClassifier(60, min_samples_leaf=3, max_depth=10, random_state=0),
        "logistic regression": lambda: make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000)),
    }
    hits: dict[str, list[np.ndarray]] = {name: [] for name in models}
    for index, source in sorted({(patch.frame, patch.source) for patch in patches if patch.source is not None}):
        held = {index, source}
        values, kinds = balanced(p for p in patches if p.frame not in held and p.source not in held)
        asked, truth = balanced(p for p in patches if p.frame == index and p.source in (None, source))
        if not len(truth) or not len(kinds):
            continue
        for name, make in models.items():
            hits[name].append(make().fit(values, kinds).predict(asked) == truth)
    return {name: float(np.concatenate(own).mean()) for name, own in hits.items()}


def ours(shot: Shot, cutout: Cutout, place: Place, dice: Dice) -> tuple[np.ndarray, np.ndarray]:
    """As the benchmark pastes."""
    levels = shot.image.astype(np.float32)
    inside = blend_in(levels, shot.image, cutout, place, shot.ground, shot.look, dice)
    return np.floor(np.clip(levels + 0.5, 0, 255)), inside


def crude(shot: Shot, cutout: Cutout, place: Place, dice: Dice) -> tuple[np.ndarray, np.ndarray]:
    """Scissors and glue: resized, cut along the outline, put there."""
    size = (place.width, place.height)
    inside = cv2.resize(cutout.alpha, size, interpolation=cv2.INTER_NEAREST) >= OPAQUE
    image = shot.image.astype(np.float32)
    box = image[place.top : place.bottom, place.left : place.right]
    box[inside] = cv2.resize(cutout.color, size, interpolation=cv2.INTER_LINEAR)[inside]
    return image, inside


if __name__ == "__main__":
    splits = Registry().dataset("cityscapes").open(Roots((Path(sys.argv[1]),)))
    taken = [shot(frame) for frame in splits["train"].frames]
    for paste in (crude, ours):
        found = [accuracy(taken, paste, seed) for seed in range(6)]
        for name in found[0]:
            own = [one[name] for one in found]
            print(f"{paste.__name__}, {name}: {np.mean(own):.3f} ({min(own):.3f} to {max(own):.3f}), {len(own)} seeds")
