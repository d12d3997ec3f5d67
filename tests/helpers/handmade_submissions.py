"""Scorers for submissions, made by hand from frames with known scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oodbench.contracts import MethodCard, Scoring, SubmissionScorer, SubmittedFrame
from oodbench.types import CITYSCAPES_19, AnomalyLabels, ClassMap, ScoreMap, Size
from tests.helpers.tracks import SIZE, anomaly_ids, obstacle_ids

MSP = MethodCard(name="msp", title="MSP", paper="Hendrycks", url="https://arxiv.org/abs/1610.02136")


def score(seed: int, size: Size, kind: str) -> ScoreMap:
    """Return normally distributed scores, higher on anomalies; `saturated` near 1, `coarse` exact in half precision."""
    values = np.random.default_rng(seed).normal(size=size) + 2 * labels(seed, size).values.clip(0, 1)
    made = {"spread": values, "saturated": 1 - 1e-4 * np.exp(-values), "coarse": np.round(32 * values) / 32}[kind]
    return made.astype(np.float32)


def labels(seed: int, size: Size) -> AnomalyLabels:
    """Return labels with 10 % anomalous pixels and one void row."""
    values = (np.random.default_rng(1000 + seed).random(size) < 0.1).astype(np.uint8)
    values[-1] = 255
    return AnomalyLabels(values)


def prediction(seed: int, size: Size) -> ClassMap:
    return np.random.default_rng(seed).integers(0, 19, size).astype(np.uint8)


def frame(benchmark: str, index: int, name: str, size: Size, *, hidden: bool, kind: str = "spread") -> SubmittedFrame:
    return SubmittedFrame(
        benchmark=benchmark,
        index=index,
        id=name,
        size=size,
        read_score=partial(score, index, size, kind),
        read_prediction=partial(prediction, index, size),
        read_labels=None if hidden else partial(labels, index, size),
    )


def make_scorer(*frames: SubmittedFrame, **changes: Any) -> SubmissionScorer:
    expected: dict[str, int] = {}
    for each in frames:
        expected[each.benchmark] = expected.get(each.benchmark, 0) + 1
    made = SubmissionScorer(
        label="MSP",
        network="tiny",
        method=MSP,
        spec="msp",
        source="streets-softmax",
        card=None,
        classes=CITYSCAPES_19,
        scoring=Scoring("logits", "bilinear"),
        fit=None,
        plugins=(),
        expected=expected,
        frames=frames,
    )
    return replace(made, **changes)


def both_tracks() -> SubmissionScorer:
    """Return a scorer with the real numbers of frames; half precision keeps the metrics of the first track only."""
    made = []
    for benchmark, ids, kinds in (
        ("road-anomaly-21", anomaly_ids(), ("coarse", "spread")),
        ("road-obstacle-21", obstacle_ids(), ("saturated", "saturated")),
    ):
        for index, name in enumerate(ids):
            hidden = not name.startswith("validation")
            part = f"{benchmark}-all" if hidden else benchmark
            made.append(frame(part, index, name, SIZE, hidden=hidden, kind=kinds[hidden]))
    return make_scorer(*made)


@contextmanager
def track(title: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    """Provide silent progress."""
    yield lambda done: None


@pytest.fixture(scope="module")
def unsynced() -> Iterator[None]:
    """Disable syncing of files, which takes most of the time for many small files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda file: None)
        yield


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
