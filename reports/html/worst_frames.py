"""The pass over a benchmark's frames at full resolution: counts per level, pictures, regions and overlaps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    make_frame_objects,
    select_worst_alarms,
    select_worst_objects,
)
from oodbench.reports.html.scorers import PageScorer
from oodbench.threads import open_pool
from oodbench.types import VOID, AnomalyLabels

KeepPictures = Callable[[dict[str, Any]], None]
"""Receives the pictures of each frame in order."""


@dataclass(frozen=True)
class FramePass:
    """Result of the pass over F frames with n methods, without the pictures.

    Attributes:
        frames: Id, size and thumbnail of each frame, and whether it has labels.
        counts: uint32 [n, F, 2, 256], in-distribution and anomalous pixels per level.
        stored: bool [n, F], whether the counts are known.
        maps: bool [n, F], whether the score maps are stored.
        overlaps: int64 [F, 2, n, n], from `count_overlaps`.
        objects, alarms: Worst regions of each method.
    """

    frames: list[dict[str, Any]]
    counts: NDArray[np.uint32]
    stored: NDArray[np.bool_]
    maps: NDArray[np.bool_]
    overlaps: NDArray[np.int64]
    objects: list[list[Region]]
    alarms: list[list[Region]]


@dataclass(frozen=True)
class _MethodOnFrame:
    """Measurements of one method on one frame. Without a map, it has no regions and at most a small picture."""

    picture: str | None
    counts: NDArray[np.integer]
    called: NDArray[np.bool_] | None
    objects: list[Region]
    alarms: list[Region]
    has_map: bool = True


def measure_frames(run: RunView, benchmark: str, scorers: Sequence[PageScorer], keep: KeepPictures) -> FramePass:
    """Measure all frames; pass the pictures of each frame to `keep`."""
    ids = run.frames(benchmark)
    about: list[dict[str, Any]] = []
    counts = np.zeros((len(scorers), len(ids), 2, LEVELS), np.uint32)
    stored, maps = (np.zeros((len(scorers), len(ids)), np.bool_) for _ in range(2))
    shared = np.zeros((len(ids), 2, len(scorers), len(scorers)), np.int64)
    missed: list[list[Region]] = [[] for _ in scorers]
    alarms: list[list[Region]] = [[] for _ in scorers]
    # Reading, counting and encoding release the interpreter's lock.
    with open_pool() as pool:
        for index, frame in enumerate(ids):
            image, labels = run.image(benchmark, frame), run.labels(benchmark, frame)
            known = AnomalyLabels(np.full(image.shape[:2], VOID, np.uint8)) if labels is None else labels
            objects = make_frame_objects(index, known)
            measured = list(pool.map(lambda scorer: _measure_frame(run, scorer, frame, known, objects), scorers))  # noqa: B023  # done before the next
            for number, method in enumerate(measured):
                if method is not None:
                    counts[number, index], stored[number, index] = method.counts, True
                    maps[number, index] = method.has_map
                    missed[number] = select_worst_objects([*missed[number], *method.objects])
                    alarms[number] = select_worst_alarms([*alarms[number], *method.alarms])
            called = [None if method is None else method.called for method in measured]
            shared[index] = count_overlaps(called, known)
            about.append({
                "id": frame,
                "size": list(known.values.shape),
                "labelled": labels is not None,
                "thumbnail": pictures.encode_photograph(image, pictures.THUMBNAIL),
            })  # fmt: skip
            keep({
                "photograph": pictures.encode_photograph(image),
                "label": None if labels is None else pictures.encode_label(labels),
                "maps": [None if method is None else method.picture for method in measured],
            })  # fmt: skip
    return FramePass(about, counts, stored, maps, shared, missed, alarms)


def _measure_frame(
    run: RunView, scorer: PageScorer, frame: str, labels: AnomalyLabels, things: FrameObjects
) -> _MethodOnFrame | None:
    try:
        score = run.score(scorer.row, frame)
    except NotStoredError:
        return _show_without_map(run, scorer, frame, things.frame)
    if score.shape != labels.values.shape:  # void labels of a frame without labels
        labels = AnomalyLabels(np.full(score.shape, VOID, np.uint8))
    levels, measured = scorer.levels.of(score, labels)
    counts = measured if scorer.counts is None else scorer.counts[things.frame]
    picture = pictures.encode_levels(levels)
    if not scorer.operating or score.shape != things.number.shape:
        return _MethodOnFrame(picture, counts, None, [], [])
    called = levels >= scorer.operating[0].level
    return _MethodOnFrame(
        picture, counts, called, things.found(called), find_false_alarms(things.frame, called, labels)
    )


def _show_without_map(run: RunView, scorer: PageScorer, frame: str, index: int) -> _MethodOnFrame | None:
    """Return the counts and the small picture of a frame; None if its scores are in no counts."""
    if scorer.counts is None:
        return None
    reduced = run.level_picture(scorer.row, frame)
    picture = None
    if reduced is not None:
        levels, _ = scorer.levels.of(reduced, AnomalyLabels(np.full(reduced.shape, VOID, np.uint8)))
        picture = pictures.encode_levels(levels)
    return _MethodOnFrame(picture, scorer.counts[index], None, [], [], has_map=False)
