"""The one pass over a benchmark's frames at full resolution: counts by level, pictures, regions, overlaps."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oodbench.contracts import RunView
from oodbench.errors import NotStoredError
from oodbench.metrics.counting.quantized_scores import LEVELS
from oodbench.reports.html import pictures
from oodbench.reports.html.overlaps import count_overlaps
from oodbench.reports.html.regions import (
    FrameObjects,
    Region,
    find_false_alarms,
    find_objects,
    select_worst_alarms,
    select_worst_objects,
)
from oodbench.reports.html.scorers import PageScorer
from oodbench.types import VOID, AnomalyLabels

KeepPictures = Callable[[dict[str, Any]], None]
"""Takes a frame's pictures, in order."""


@dataclass(frozen=True)
class FramePass:
    """What the pass gives beside the pictures; n methods, F frames.

    Attributes:
        frames: id, size, thumbnail of each, and whether it has labels.
        counts: uint32 [n, F, 2, 256], in-distribution and anomalous pixels of each level.
        stored: bool [n, F], whether the scores are there.
        overlaps: int64 [F, 2, n, n], as `overlaps` gives them.
        objects, alarms: the worst of each method.
    """

    frames: list[dict[str, Any]]
    counts: NDArray[np.uint32]
    stored: NDArray[np.bool_]
    overlaps: NDArray[np.int64]
    objects: list[list[Region]]
    alarms: list[list[Region]]


@dataclass(frozen=True)
class _MethodOnFrame:
    """One frame under one method."""

    picture: str
    counts: NDArray[np.int64]
    called: NDArray[np.bool_] | None
    objects: list[Region]
    alarms: list[Region]


def measure_frames(run: RunView, benchmark: str, scorers: Sequence[PageScorer], keep: KeepPictures) -> FramePass:
    """Go through the frames; `keep` is given the pictures of each."""
    ids = run.frames(benchmark)
    about: list[dict[str, Any]] = []
    counts = np.zeros((len(scorers), len(ids), 2, LEVELS), np.uint32)
    stored = np.zeros((len(scorers), len(ids)), np.bool_)
    shared = np.zeros((len(ids), 2, len(scorers), len(scorers)), np.int64)
    missed: list[list[Region]] = [[] for _ in scorers]
    alarms: list[list[Region]] = [[] for _ in scorers]
    # Reading, counting and encoding leave the interpreter's lock.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for index, frame in enumerate(ids):
            image, labels = run.image(benchmark, frame), run.labels(benchmark, frame)
            known = AnomalyLabels(np.full(image.shape[:2], VOID, np.uint8)) if labels is None else labels
            things = find_objects(index, known)
            seen = list(pool.map(lambda scorer: _measure_frame(run, scorer, frame, known, things), scorers))  # noqa: B023  # done before the next
            for number, one in enumerate(seen):
                if one is not None:
                    counts[number, index], stored[number, index] = one.counts, True
                    missed[number] = select_worst_objects([*missed[number], *one.objects])
                    alarms[number] = select_worst_alarms([*alarms[number], *one.alarms])
            shared[index] = count_overlaps([None if one is None else one.called for one in seen], known)
            about.append({
                "id": frame,
                "size": list(known.values.shape),
                "labelled": labels is not None,
                "thumbnail": pictures.encode_photograph(image, pictures.THUMBNAIL),
            })  # fmt: skip
            keep({
                "photograph": pictures.encode_photograph(image),
                "label": None if labels is None else pictures.encode_label(labels),
                "maps": [None if one is None else one.picture for one in seen],
            })  # fmt: skip
    return FramePass(about, counts, stored, shared, missed, alarms)


def _measure_frame(
    run: RunView, scorer: PageScorer, frame: str, labels: AnomalyLabels, things: FrameObjects
) -> _MethodOnFrame | None:
    try:
        score = run.score(scorer.row, frame)
    except NotStoredError:
        return None
    if score.shape != labels.values.shape:  # those of a frame without labels
        labels = AnomalyLabels(np.full(score.shape, VOID, np.uint8))
    found, counts = scorer.levels.of(score, labels)
    picture = pictures.encode_levels(found)
    if not scorer.operating or score.shape != things.number.shape:
        return _MethodOnFrame(picture, counts, None, [], [])
    called = found >= scorer.operating[0].level
    return _MethodOnFrame(
        picture, counts, called, things.found(called), find_false_alarms(things.frame, called, labels)
    )
