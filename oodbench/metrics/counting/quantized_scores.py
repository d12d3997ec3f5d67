"""Scores quantised to at most 256 levels: one byte per pixel gives the position of its score among chosen thresholds.

A threshold at the lower edge of a level is exact: the pixels of that level and of those above are exactly those that
score at least the threshold. Counts by level therefore give the exact precision, recall and false positive rate at each
of up to 255 thresholds, for a frame and, after addition, for any set of frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from oodbench.compiled import compiled
from oodbench.errors import UsageError
from oodbench.metrics.counting import kernels
from oodbench.metrics.counting.checks import flatten_scores
from oodbench.metrics.counting.curve_points import CurvePoints
from oodbench.metrics.counting.ordered_keys import count_edges_below, keys_of, scores_of
from oodbench.metrics.resampling.sketch_thresholds import choose_bins
from oodbench.types import AnomalyLabels, ScoreMap

LEVELS = 256
"""The largest number of levels."""


@dataclass(frozen=True)
class ScoreLevels:
    """The lower edges of the levels.

    Attributes:
        edges: float32 [L], ascending and distinct, L <= 255: the lowest score of the levels 1 to L. A lower score than
            the first edge is at level 0.
    """

    edges: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.edges.size >= LEVELS or not (np.diff(self.edges) > 0).all():
            raise UsageError(
                f"{self.edges.size} edges; expected {LEVELS - 1} at most, ascending and distinct",
                "Sort the edges and remove duplicates with numpy.unique.",
            )

    @cached_property
    def _search(self) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        edges = keys_of(self.edges)
        return edges, count_edges_below(edges)

    def of(self, score: ScoreMap, labels: AnomalyLabels) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return the levels of one frame, and the number of its pixels per level.

        Args:
            score: float32 [H, W], higher = more anomalous.
            labels: Labels of the same shape.

        Returns:
            uint8 [H, W], the levels; int64 [2, 256], in-distribution and anomalous pixels per level, without void ones.

        Raises:
            ScoreError: The shape or type does not match the labels.
        """
        bits, flat = flatten_scores(score, labels)
        levels, counts = np.empty(bits.size, np.uint8), np.zeros((2, LEVELS), np.int64)
        _file(bits, flat, *self._search, levels, counts)
        return levels.reshape(score.shape), counts

    def at(self, score: float) -> int:
        """Return the first level that begins at or above this score."""
        return 1 + int(np.searchsorted(self.edges, np.float32(score)))


def choose_levels(
    points: CurvePoints, positive: int, negative: int, always: NDArray[np.floating], tpr: float = 0.95
) -> ScoreLevels:
    """Choose levels that are dense where the curve of some pixels changes, and include given scores as edges.

    Args:
        points: The curve points of the pixels, or of a sample of them.
        positive: Number of these pixels that are anomalous.
        negative: Number of these pixels that are in-distribution.
        always: Scores that are always edges of a level, fewer than 200.
        tpr: The true positive rate at which a false positive rate is read.
    """
    fixed_edges = np.unique(always.astype(np.float32))
    room = LEVELS - 1 - fixed_edges.size
    for cells in (room, room // 2):  # usually there are as many bins as cells, at most twice as many
        bins = choose_bins(points, positive, negative, tpr, cells)
        if bins.edges.size <= room:
            break
    return ScoreLevels(np.unique(np.concatenate([fixed_edges, scores_of(bins.edges)])))


@compiled(nogil=True)
def _file(
    bits: NDArray[np.uint32],
    labels: NDArray[np.uint8],
    edges: NDArray[np.uint32],
    first: NDArray[np.int64],
    levels: NDArray[np.uint8],
    counts: NDArray[np.int64],
) -> None:
    for i in range(bits.size):
        key = kernels.key_of(bits[i])
        bucket = np.int64(key >> np.uint32(16))
        level = edges.size - kernels.bin_of(key, edges, first[bucket], first[bucket + 1])
        levels[i] = level
        if labels[i] <= 1:
            counts[labels[i], level] += 1
