"""The thresholds of a sketch: a small set of scores that represents all scores, dense where the pooled curve changes.

Only distinct anomalous scores matter as thresholds (`oodbench.metrics.counting.curve_points`). In descending order,
recall, the false positive rate and the logarithm of the false positives increase; a bin ends when their sum has
increased by one cell. Each bin therefore contains only a small part of either kind, and precision, which changes
fastest at the highest scores, changes little within a bin. A single score that spans more than a cell, as in a method
whose scores saturate, gets a separate bin.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from oodbench.metrics.counting.curve_points import CurvePoints
from oodbench.metrics.counting.frame_scores import FrameScores, group_scores
from oodbench.metrics.counting.ordered_keys import count_edges_below, scores_of
from oodbench.types import AnomalyLabels, ScoreMap

CELLS = 1024
"""Number of cells into which the sum is divided. There are about as many bins, at most twice as many."""


@dataclass(frozen=True)
class SketchBins:
    """K bins of scores in descending order; the last contains everything below the lowest anomalous score.

    Attributes:
        edges: uint32 [K - 1], descending: the key of the lowest score in each bin but the last.
        single: bool [K], whether all anomalous pixels of the bin have the same score, its lowest.
        passed: float64 [K], for an anomalous pixel of the bin, the mean share of the bin's in-distribution pixels that
            score at least as high.
        wrong: float64 [K], the same share with equal scores counted half.
        threshold: The score at which the protocol reads the false positive rate; NaN without anomalous pixels.
    """

    edges: NDArray[np.uint32]
    single: NDArray[np.bool_]
    passed: NDArray[np.float64]
    wrong: NDArray[np.float64]
    threshold: float

    @staticmethod
    def at(edges: NDArray[np.uint32]) -> SketchBins:
        """Return bins at these edges, descending, without what is known of the scores in them."""
        half = np.full(edges.size + 1, 0.5)
        return SketchBins(edges, np.zeros(half.size, bool), half, half, float("nan"))

    @cached_property
    def ascending(self) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """The edges in ascending order, and int64 [2^16 + 1], the number of edges below each bucket of keys."""
        edges = self.edges[::-1].copy()
        return edges, count_edges_below(edges)

    def count_frame(self, scores: FrameScores) -> NDArray[np.int64]:
        """Count the scores of one frame.

        Args:
            scores: The scores of the frame.

        Returns:
            int64 [2, K], in-distribution and anomalous pixels in each bin.
        """
        counts = np.zeros((2, self.single.size), np.int64)
        scores.normal.count_in_bins(*self.ascending, counts[:1])
        counts[1] = np.bincount(self.find(scores.key), minlength=self.single.size)
        return counts

    def find(self, keys: NDArray[np.uint32]) -> NDArray[np.intp]:
        """Return the bin of each score, given by its key."""
        return self.edges.size - np.searchsorted(self.ascending[0], keys, side="right")

    def count(self, score: ScoreMap, labels: AnomalyLabels) -> NDArray[np.int64]:
        """Count one frame; the same as `count_frame(group_scores(score, labels))`."""
        return self.count_frame(group_scores(score, labels))


def choose_bins(points: CurvePoints, positive: int, negative: int, tpr: float, cells: int = CELLS) -> SketchBins:
    """Choose bins for all counted pixels.

    Args:
        points: The curve points of the pool.
        positive: P, the number of anomalous pixels.
        negative: N, the number of in-distribution pixels.
        tpr: The true positive rate at which the false positive rate is read.
        cells: Number of cells into which the sum of recall, false positive rate and its logarithm is divided.
    """
    if not positive:
        ones = np.ones(1)
        return SketchBins(np.empty(0, np.uint32), ones.astype(bool), ones, ones, float("nan"))
    true, false = np.cumsum(points.tied), points.above + points.equal
    advance = true / positive + false / max(negative, 1) + np.log1p(false) / np.log1p(max(negative, 1))
    cell = (advance * cells / 3).astype(np.int64)
    step = np.diff(cell, prepend=0)
    starts = step > 0
    starts[1:] |= step[:-1] > 1  # the previous score spans more than a cell: its bin ends there
    starts[0] = True
    first = np.flatnonzero(starts)
    last = np.append(first[1:], points.key.size) - 1
    before = np.append(0, false[last[:-1]])
    inside = (false[last] - before) * np.add.reduceat(points.tied, first)
    passed, wrong = (
        np.divide(
            np.add.reduceat(points.tied * level.astype(np.float64), first)
            - before * np.add.reduceat(points.tied, first),
            inside,
            out=np.full(first.size, 0.5),
            where=inside > 0,
        )
        for level in (false, points.above + points.equal / 2)
    )
    reached = int(np.argmax(true / positive >= tpr))
    return SketchBins(
        points.key[last],
        np.append(first == last, True),
        np.append(passed, 1.0),
        np.append(wrong, 1.0),
        float(scores_of(points.key[reached : reached + 1])[0]),
    )
