"""The synthetic output of a small network with a planted anomaly, and functions that fit and apply methods on it."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from oodbench.contracts import Fit, MergeableFit, Method, Needs, Scoring
from oodbench.stages.apply_methods import score_output
from oodbench.stages.fit import update_fit
from oodbench.types import CITYSCAPES_19, VOID, ClassMaps, MaskOutput, SegmenterOutput, SemanticLabels

SIZE = (48, 96)
"""(height, width) of the labels."""

GRID = (24, 48)
"""(height, width) of the class maps and the features."""

PATCH = (slice(8, 14), slice(20, 30))
"""The rows and columns of the anomaly on the grid."""


def fake_network(
    seed: int,
    planted: bool = False,
    classes: int = 6,
    roles: Iterable[str] = ("penultimate",),
    extras: Iterable[str] = (),
    masks: bool = False,
) -> tuple[SegmenterOutput, SemanticLabels]:
    """Return one frame: blocks of classes, features around one direction per class, and confident logits.

    A planted anomaly has features far from every class, and low, equal logits.

    Args:
        seed: Seed of the frame.
        planted: Whether the frame has an anomaly.
        classes: Number of the 19 classes that occur.
        roles: Roles of the features; all roles have the same features.
        extras: Names of the extras; each extra is the log-density of the features under each class.
        masks: Whether it is also a mask classifier, with one query per class. No query covers a planted anomaly.

    Returns:
        Logits float32 [1, 19, 24, 48] with features float32 [1, 8, 24, 48], and labels of 48 x 96 pixels.
    """
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, (6, 12)).repeat(8, axis=0).repeat(8, axis=1).astype(np.uint8)
    grid = labels[1::2, 1::2]
    directions = np.random.default_rng(99).normal(size=(19, 8))
    features = directions[grid] + 0.2 * rng.normal(size=(*GRID, 8))
    logits = 0.5 * rng.normal(size=(*GRID, 19))
    np.put_along_axis(logits, grid[:, :, None].astype(int), 9 + rng.normal(size=(*GRID, 1)), axis=2)
    if planted:
        features[PATCH] = 8 + rng.normal(size=(6, 10, 8))
        logits[PATCH] = 0.1 * rng.normal(size=(6, 10, 19))
    maps = ClassMaps(torch.from_numpy(logits.transpose(2, 0, 1)[None].astype(np.float32)))
    embedding = features.transpose(2, 0, 1)[None].astype(np.float32)
    density = -0.5 * np.square(features[:, :, None] - directions).sum(axis=3).transpose(2, 0, 1)[None] / 0.04
    output = SegmenterOutput(
        maps,
        {role: torch.from_numpy(embedding.copy()) for role in roles},
        {name: torch.from_numpy(density.astype(np.float32)) for name in extras},
        masks=_query_each_class(grid, directions, planted) if masks else None,
    )
    return output, SemanticLabels(labels, CITYSCAPES_19)


def _query_each_class(grid: NDArray[np.uint8], directions: NDArray[np.float64], planted: bool) -> MaskOutput:
    """Return one query per class, confident in its class, with a mask of the pixels of the class.

    The query embeddings are the directions of the classes.
    """
    count = len(directions)
    class_logits = np.zeros((1, count, count + 1), np.float32)
    class_logits[0, range(count), range(count)] = 9.0
    mask_logits = np.where(grid == np.arange(count)[:, None, None], 6.0, -6.0).astype(np.float32)[None]
    if planted:
        mask_logits[:, :, *PATCH] = -6.0
    queries = torch.from_numpy(directions[None].astype(np.float32))
    return MaskOutput(torch.from_numpy(class_logits), torch.from_numpy(mask_logits), queries)


def stack_outputs(*outputs: SegmenterOutput) -> SegmenterOutput:
    """Stack the outputs of several frames to one batch."""
    maps = [output.class_maps for output in outputs if output.class_maps]
    features = {role: torch.cat([output.features[role] for output in outputs]) for role in outputs[0].features}
    extras = {name: torch.cat([output.extras[name] for output in outputs]) for name in outputs[0].extras}
    together = ClassMaps(torch.cat([part.values for part in maps]), maps[0].kind) if maps else None
    return SegmenterOutput(together, features, extras, masks=_stack_masks([output.masks for output in outputs]))


def _stack_masks(parts: Sequence[MaskOutput | None]) -> MaskOutput | None:
    masks = [part for part in parts if part is not None]
    if not masks:
        return None
    queries = [part.queries for part in masks if part.queries is not None]
    return MaskOutput(
        torch.cat([part.class_logits for part in masks]),
        torch.cat([part.mask_logits for part in masks]),
        torch.cat(queries) if queries else None,
    )


LabelledBatch: TypeAlias = tuple[SegmenterOutput, Sequence[SemanticLabels], Sequence[str]]
"""The output, the labels and the ids of some frames."""


def fit_batches(needs: Needs, sizes: Sequence[int] = (2, 1), classes: int = 6) -> list[LabelledBatch]:
    """Return the frames on which `learn` fits, which have a void strip.

    Args:
        needs: The parts of the output that the method requests.
        sizes: Number of frames of each batch.
        classes: Number of the 19 classes that occur.
    """
    frames = []
    for index in range(sum(sizes)):
        output, labels = fake_network(
            index, classes=classes, roles=needs.features, extras=needs.extras, masks=needs.masks
        )
        labels.values[-8:] = VOID
        frames.append((output.select(needs), labels, f"frame-{index}"))
    batches: list[LabelledBatch] = []
    for size in sizes:
        outputs, labels_of, ids = zip(*frames[:size], strict=True)
        batches.append((stack_outputs(*outputs), labels_of, ids))
        del frames[:size]
    return batches


def learn(method: Method, seed: int = 0, classes: int = 6) -> Fit:
    """Fit a method on three frames with a void strip, in a batch of two and a batch of one, and return the fit."""
    batches = fit_batches(method.needs(), classes=classes)
    method.begin_fit(CITYSCAPES_19, seed)
    again = True
    while again:
        for batch in batches:
            update_fit(method, *batch)
        again = method.end_pass()
    return method.fitted()


def learn_distributed(create: Callable[[], Method], order: Sequence[int], sizes: Sequence[int], seed: int = 0) -> Fit:
    """Fit a method on the frames of `learn` as several processes would, and return the fit.

    Args:
        create: Function that returns a new instance of the method, whose fit is mergeable.
        order: The order in which the batches are computed, each by a separate instance.
        sizes: Number of frames of each batch.
        seed: Seed of the fit.
    """
    driver = create()
    assert isinstance(driver, MergeableFit), "only such a fit has states"
    batches = fit_batches(driver.needs(), sizes)
    driver.begin_fit(CITYSCAPES_19, seed)
    between: bytes | None = None
    while True:
        states = {}
        for index in order:
            worker = create() if between is None else pickle.loads(between)  # noqa: S301  # written below
            assert isinstance(worker, MergeableFit), "an instance of the same class"
            if between is None:
                worker.begin_fit(CITYSCAPES_19, seed)
            states[index] = pickle.dumps(worker.frame_states(*batches[index]))
        for index in range(len(batches)):
            for state in pickle.loads(states[index]):  # noqa: S301  # written above
                driver.merge(state)
        if not driver.end_pass():
            return driver.fitted()
        between = pickle.dumps(driver)


def ready(method: Method, seed: int = 0, classes: int = 6) -> Method:
    """Fit the method if it needs a fit, and return it ready to score."""
    if method.needs().fit:
        method.load(learn(method, seed, classes))
    return method


def scores(
    method: Method, output: SegmenterOutput, upsample: Literal["logits", "score"] = "logits"
) -> NDArray[np.float32]:
    """Return the scores of N frames as in a run, float32 [N, 48, 96]."""
    parts = [*output.features.values(), *output.extras.values()]
    parts += [] if output.class_maps is None else [output.class_maps.values]
    parts += [] if output.masks is None else [output.masks.mask_logits]
    count = len(parts[0])
    frames, _ = score_output(output, [SIZE] * count, {"it": method}, Scoring(upsample))
    return np.stack([frame.scores["it"] for frame in frames])
