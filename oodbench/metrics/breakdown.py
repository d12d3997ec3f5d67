"""Metrics per group of anomalies and false positives per predicted class, counted in the bins of a sketch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from oodbench.compiled import compiled
from oodbench.contracts import PIXEL_METRICS
from oodbench.metrics.counting import kernels
from oodbench.metrics.counting.frame_scores import FrameScores, group_scores
from oodbench.metrics.counting.ordered_keys import keys_of
from oodbench.metrics.resampling.sketch_thresholds import SketchBins
from oodbench.metrics.resampling.sketches import PixelSketch
from oodbench.types import ANOMALY, IN_DISTRIBUTION, AnomalyLabels, ClassMap, ScoreMap

CLASSES = 256


@dataclass
class BreakdownCounts:
    """Counts of pixels by group, accumulated frame by frame.

    The regions of anomalous pixels belong to `groups` groups, under one or several divisions. The pixels also belong to
    the classes that the network predicts for them. The rows of the arrays are the groups, followed by the classes. T
    thresholds separate T + 1 levels, numbered from the highest.

    Args:
        bins: The K bins of all frames.
        thresholds: Name -> score from which on pixels are called anomalous.
        groups: Number of groups, without the classes.

    Attributes:
        fine: int64 [groups + 256, K], anomalous pixels by row and bin.
        found: int64 [groups + 256, T + 1], anomalous pixels by row and level.
        mistaken: int64 [256, T + 1], in-distribution pixels by predicted class and level.
        pool: int64 [2, K], in-distribution and anomalous pixels by bin.
        called: int64 [2, T + 1], in-distribution and anomalous pixels by level.
    """

    bins: SketchBins
    thresholds: Mapping[str, float]
    groups: int
    fine: NDArray[np.int64] = field(init=False)
    found: NDArray[np.int64] = field(init=False)
    mistaken: NDArray[np.int64] = field(init=False)
    pool: NDArray[np.int64] = field(init=False)
    called: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self._order = sorted(self.thresholds, key=lambda name: -self.thresholds[name])
        edges = keys_of(np.array([self.thresholds[name] for name in self._order], np.float32))
        self._levels = SketchBins.at(edges)
        levels, fine, rows = len(self._order) + 1, self.bins.single.size, self.groups + CLASSES
        self.fine, self.found = np.zeros((rows, fine), np.int64), np.zeros((rows, levels), np.int64)
        self.mistaken = np.zeros((CLASSES, levels), np.int64)
        self.pool, self.called = np.zeros((2, fine), np.int64), np.zeros((2, levels), np.int64)

    def update(
        self,
        score: ScoreMap,
        labels: AnomalyLabels,
        regions: NDArray[np.int32],
        groups: NDArray[np.uint8],
        prediction: ClassMap | None,
    ) -> NDArray[np.int64]:
        """Count one frame.

        Args:
            score: float32 [H, W], higher = more anomalous.
            labels: Labels of the same shape.
            regions: int32 [H, W], the region of each anomalous pixel.
            groups: uint8 [R, ways], for each region its group under each of the divisions.
            prediction: uint8 [H, W], predicted classes, or None.

        Returns:
            int64 [2, K], the counts of the frame, as returned by `SketchBins.count`.
        """
        return self.add(group_scores(score, labels, prediction, regions), groups)

    def add(self, scores: FrameScores, groups: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Count one frame, given by its scores with regions, and with predicted classes if there are any.

        Args:
            scores: The scores of the frame.
            groups: uint8 [R, ways], for each region its group under each of the divisions.

        Returns:
            int64 [2, K], the counts of the frame, as returned by `SketchBins.count_frame`.
        """
        counts = np.zeros_like(self.pool)
        scores.normal.count_in_bins(*self.bins.ascending, counts[:1])
        mistaken = np.zeros_like(self.mistaken)
        scores.normal.count_in_bins(*self._levels.ascending, mistaken, by_group=True)
        self.called[IN_DISTRIBUTION] += mistaken.sum(axis=0)
        if scores.predicted:
            self.mistaken += mistaken
        count_anomalous(scores, groups, self.groups, self.bins, counts[1], self.fine)
        levels = np.zeros(self.called.shape[1], np.int64)
        count_anomalous(scores, groups, self.groups, self._levels, levels, self.found)
        self.called[ANOMALY] += levels
        self.pool += counts
        return counts

    def count_above(self, counts: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
        """Return threshold -> [rows], the sums of counts [rows, T + 1] over the levels at or above the threshold."""
        total = counts.cumsum(axis=1)
        return {name: total[:, self._order.index(name)] for name in self.thresholds}

    def metrics(self, tpr: float) -> NDArray[np.float64]:
        """Return float64 [2, rows], AP and AUROC of each row against all in-distribution pixels; NaN if undefined."""
        counts = np.stack([np.broadcast_to(self.pool[0], self.fine.shape), self.fine], axis=1)  # [rows, 2, K]
        values = PixelSketch(PIXEL_METRICS, self.bins, counts, tpr).metrics(np.eye(len(counts)))
        return values[[0, 2]]


def count_anomalous(
    scores: FrameScores,
    groups: NDArray[np.uint8],
    first_class: int,
    bins: SketchBins,
    counts: NDArray[np.int64],
    rows: NDArray[np.int64],
) -> None:
    """Count the anomalous pixels of a frame by bin.

    Args:
        scores: The scores of the frame, with regions.
        groups: uint8 [R, ways], for each region its group under each of the divisions.
        first_class: The row of the class 0.
        bins: The K bins.
        counts: int64 [K], to which the pixels per bin are added.
        rows: int64 [first_class + 256, K], to which they are added by group, and by class if classes are predicted.
    """
    first = first_class if scores.predicted else -1
    _count_anomalous(scores.key, scores.region, scores.group, groups, first, *bins.ascending, counts, rows)


@compiled(nogil=True)
def _count_anomalous(
    keys: NDArray[np.uint32],
    regions: NDArray[np.int32],
    classes: NDArray[np.uint8],
    groups: NDArray[np.uint8],
    first_class: int,
    edges: NDArray[np.uint32],
    first: NDArray[np.int64],
    counts: NDArray[np.int64],
    rows: NDArray[np.int64],
) -> None:
    for i in range(keys.size):
        high = np.int64(keys[i] >> np.uint32(16))
        place = kernels.bin_of(keys[i], edges, first[high], first[high + 1])
        counts[place] += 1
        for way in range(groups.shape[1]):
            rows[groups[regions[i], way], place] += 1
        if first_class >= 0:
            rows[first_class + classes[i], place] += 1
