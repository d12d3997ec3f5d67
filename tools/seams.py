"""Measurement of how often small classifiers recognise pasted objects by patches along their borders.

Two classifiers see the features of `seam_patches.py`. They are tested on the objects of one frame and on objects of a
second frame that were pasted there. They are trained only on the other frames and their objects. Otherwise, with few
frames, they would recognise the individual cars.

The test measures the seam, not the content on its sides. Both kinds are therefore objects of the same classes, complete
in the image, at borders where nothing is nearer. They have the same number of patches for each combination of frame,
side (foot or not), surface outside the border, and octave of height in pixels. Borders are those of the matte for both
kinds, shifted across by up to three pixels, because the true border of an original object is not known more precisely.

Objects are pasted as the benchmark pastes in-distribution ones, at the distance at which their own pixels have the
right size. A second test pastes them at all distances, resized as anomalies are. Crude pastes are at the same places in
both.

    python -m tools.seams CITYSCAPES

CITYSCAPES is the folder of the dataset. Prints the mean accuracy of each classifier on both kinds of pastes, with the
range over six seeds.
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

from oodbench.blending.appearance import Appearance, measure_appearance
from oodbench.blending.compose import paste as blend_in
from oodbench.blending.cutout import OPAQUE, Cutout
from oodbench.blending.ground_plane import Ground, Place, estimate_ground, is_uncropped
from oodbench.blending.instances import KNOWN_HEIGHTS, ROAD_CLASSES, ROADSIDE_CLASSES, find_instances, make_class_mask
from oodbench.blending.known_objects import cut_known_objects
from oodbench.blending.matting import MARGIN, estimate_matte
from oodbench.blending.placement import find_place
from oodbench.contracts import Roots
from oodbench.registry import Registry
from oodbench.types import Frame, RGBImage, SemanticLabels
from oodbench.worlds.dice import Dice
from tools.seam_patches import AROUND, OutlineWindow, compute_features, sample_windows

SMALLEST, TIMES, MOST = 40, 2, 600
Paste = Callable[["Shot", Cutout, Place, Dice], tuple[np.ndarray, np.ndarray]]
"""(frame, object, place) -> the image, and the mask of the object in its box."""


@dataclass(frozen=True)
class Shot:
    """A frame with the measurements on it. `surfaces` [H, W]: 1 road, 2 roadside, 3 objects, 0 anything else."""

    image: RGBImage
    labels: SemanticLabels
    ground: Ground
    appearance: Appearance
    surfaces: np.ndarray
    cutouts: Sequence[Cutout]


def measure_frame(frame: Frame) -> Shot:
    """Measure the ground, the appearance, the surfaces and the cut-outs of a frame."""
    assert frame.read_semantic_labels is not None
    image, labels = frame.read_image(), frame.read_semantic_labels()
    ground = estimate_ground(labels, image.shape[:2])
    appearance = measure_appearance(image, ground)
    kinds = [make_class_mask(labels, names) for names in (ROAD_CLASSES, ROADSIDE_CLASSES, KNOWN_HEIGHTS)]
    return Shot(
        image,
        labels,
        ground,
        appearance,
        np.select(kinds, [1, 2, 3]),
        tuple(cut_known_objects(image, labels, ground, appearance)),
    )


@dataclass(frozen=True)
class Patch:
    """A patch; `source` is the index of the frame that a pasted object comes from, None for an original object."""

    frame: int
    source: int | None
    cell: tuple[bool, int, int]
    window: OutlineWindow


def find_cell(window: OutlineWindow, shot: Shot, height: int, bottom: int) -> tuple[bool, int, int] | None:
    """Return (is it the foot, surface outside, octave of height) of a patch; None if something nearer is outside."""
    at = window.beyond(AROUND / 2)
    if not (0 <= at[0] < shot.ground.size[0] and 0 <= at[1] < shot.ground.size[1]):
        return None
    if shot.ground.standing[at] > bottom:
        return None
    return window.normal[1] > 0.7, int(shot.surfaces[at]), min(int(np.log2(height / SMALLEST)), 2)


def find_original_patches(shots: Sequence[Shot], index: int, kinds: Iterable[str], dice: Dice) -> Iterator[Patch]:
    """Yield patches of the objects of these kinds that are in a frame."""
    shot = shots[index]
    for thing in find_instances(shot.labels, kinds):
        if thing.height < SMALLEST or not is_uncropped(thing, shot.ground.size):
            continue
        inside = estimate_matte(shot.image, thing)[1] >= OPAQUE
        for window in sample_windows(shot.image, inside, thing.left - MARGIN, thing.top - MARGIN, dice, MOST):
            where = find_cell(window, shot, thing.height, thing.bottom)
            if where is not None:
                yield Patch(index, None, where, window)


def find_pasted_patches(
    shots: Sequence[Shot], index: int, paste: Paste, dice: Dice, keep_size: bool
) -> Iterator[Patch]:
    """Yield patches of the objects of every other frame, pasted into this one, one at a time."""
    shot = shots[index]
    others = [(source, cutout) for source, other in enumerate(shots) if source != index for cutout in other.cutouts]
    for source, cutout in others * TIMES:
        place = find_place(cutout, shot.ground, [], dice, keep_size=keep_size)
        if place is None or place.height < SMALLEST:
            continue
        image, inside = paste(shot, cutout, place, dice)
        for window in sample_windows(image, inside, place.left, place.top, dice, MOST // TIMES):
            where = find_cell(window, shot, place.height, place.bottom)
            if where is not None:
                yield Patch(index, source, where, window)


def balance_patches(patches: Iterable[Patch], dice: Dice, most: int) -> tuple[list[OutlineWindow], np.ndarray]:
    """Return windows and kinds (1: pasted), with equal numbers of both kinds in each frame and cell, up to `most`."""
    groups: dict[tuple[int, tuple[bool, int, int]], tuple[list[OutlineWindow], list[OutlineWindow]]] = {}
    for patch in patches:
        pair = groups.setdefault((patch.frame, patch.cell), ([], []))
        pair[patch.source is not None].append(patch.window)
    selected: list[OutlineWindow] = []
    kinds: list[int] = []
    for pair in groups.values():
        count = min(*map(len, pair), most)
        for kind, group in enumerate(pair):
            order = np.argsort(dice.uniforms(len(group)))[:count]
            selected += [group[place] for place in order]
            kinds += [kind] * count
    return selected, np.array(kinds)


MODELS: dict[str, Callable[[], object]] = {
    "random forest": lambda: RandomForestClassifier(60, min_samples_leaf=3, random_state=0),
    "logistic regression": lambda: make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000)),
}


def measure_accuracy(
    shots: Sequence[Shot], paste: Paste, seed: int = 0, most: int = 12, *, keep_size: bool = True
) -> dict[str, float]:
    """Return the share of correctly classified patches, by classifier, over all pairs of a frame and a source frame.

    Objects are pasted where the benchmark pastes in-distribution objects, at their own size. Without `keep_size` they
    are pasted at all distances.
    """
    kinds = sorted({cutout.kind for shot in shots for cutout in shot.cutouts})
    patches: list[Patch] = []
    for index in range(len(shots)):
        dice = Dice(seed, index)
        patches += [
            *find_original_patches(shots, index, kinds, dice),
            *find_pasted_patches(shots, index, paste, dice, keep_size),
        ]
    seen: dict[int, np.ndarray] = {}

    def values(found: list[OutlineWindow]) -> np.ndarray:
        new = [window for window in found if id(window) not in seen]
        if new:
            seen.update(zip(map(id, new), np.nan_to_num(compute_features(new)), strict=True))
        return np.stack([seen[id(window)] for window in found])

    hits: dict[str, list[np.ndarray]] = {name: [] for name in MODELS}
    for index, source in sorted({(patch.frame, patch.source) for patch in patches if patch.source is not None}):
        held, dice = {index, source}, Dice(seed, index, source)
        train, train_kinds = balance_patches(
            (p for p in patches if p.frame not in held and p.source not in held), dice, most
        )
        test, truth = balance_patches(
            (p for p in patches if p.frame == index and p.source in (None, source)), dice, most
        )
        if not test or not train:
            continue
        for name, make in MODELS.items():
            hits[name].append(make().fit(values(train), train_kinds).predict(values(test)) == truth)
    return {name: float(np.concatenate(parts).mean()) for name, parts in hits.items()}


def paste_as_benchmark(shot: Shot, cutout: Cutout, place: Place, dice: Dice) -> tuple[np.ndarray, np.ndarray]:
    """Paste an object in the same way as the benchmark."""
    levels = shot.image.astype(np.float32)
    inside = blend_in(levels, shot.image, cutout, place, shot.ground, shot.appearance, dice)
    return np.floor(np.clip(levels + 0.5, 0, 255)), inside


def paste_crudely(shot: Shot, cutout: Cutout, place: Place, dice: Dice) -> tuple[np.ndarray, np.ndarray]:
    """Paste an object without blending: resized, and cut along its outline."""
    size = (place.width, place.height)
    inside = cv2.resize(cutout.alpha, size, interpolation=cv2.INTER_NEAREST) >= OPAQUE
    image = shot.image.astype(np.float32)
    box = image[place.top : place.bottom, place.left : place.right]
    box[inside] = cv2.resize(cutout.color, size, interpolation=cv2.INTER_LINEAR)[inside]
    return image, inside


def main() -> None:
    splits = Registry().dataset("cityscapes").open(Roots((Path(sys.argv[1]),)))
    shots = [measure_frame(frame) for split in splits.values() for frame in split.frames]
    for paste, keep_size in (
        (paste_crudely, True),
        (paste_as_benchmark, True),
        (paste_crudely, False),
        (paste_as_benchmark, False),
    ):
        accuracies = [measure_accuracy(shots, paste, seed, keep_size=keep_size) for seed in range(6)]
        for name in accuracies[0]:
            values = [by_name[name] for by_name in accuracies]
            means = f"{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f}), {len(values)} seeds"
            print(f"{paste.__name__}, {'own size' if keep_size else 'resized'}, {name}: {means}", flush=True)


if __name__ == "__main__":
    main()
