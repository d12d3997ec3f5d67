"""Metrics per group of anomalies and false positives per predicted class, counted in the bins of a sketch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from oodbench.compiled import compiled
from oodbench.contracts import PIXEL_METRICS
from oodbench.metrics.counting.counts import flatten_scores
from oodbench.metrics.resampling.sketch_thresholds import SketchBins, bin_of
from oodbench.metrics.resampling.sketches import PixelSketch
from oodbench.types import ANOMALY, AnomalyLabels, ClassMap, ScoreMap

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
        counts = np.zeros_like(self.pool)
        _tally(
            *flatten_scores(score, labels),
            np.ascontiguousarray(score).ravel(),
            np.ascontiguousarray(regions).ravel(),
            groups,
            np.empty(0, np.uint8) if prediction is None else np.ascontiguousarray(prediction).ravel(),
            *self.bins.ascending,
            np.array([self.thresholds[name] for name in self._order], np.float32),
            counts,
            self.called,
            self.fine,
            self.found,
            self.mistaken,
        )
        self.pool += counts
        return counts

    def add(self, scores, groups, classes):
        return self.update(
            scores.score, AnomalyLabels(scores.label), scores.region, groups, scores.group if classes else None
        )

    def count_above(self, counts: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
        """Return threshold -> [rows], the sums of counts [rows, T + 1] over the levels at or above the threshold."""
        total = counts.cumsum(axis=1)
        return {name: total[:, self._order.index(name)] for name in self.thresholds}

    def metrics(self, tpr: float) -> NDArray[np.float64]:
        """Return float64 [2, rows], AP and AUROC of each row against all in-distribution pixels; NaN if undefined."""
        counts = np.stack([np.broadcast_to(self.pool[0], self.fine.shape), self.fine], axis=1)  # [rows, 2, K]
        values = PixelSketch(PIXEL_METRICS, self.bins, counts, tpr).metrics(np.eye(len(counts)))
        return values[[0, 2]]


@compiled()
def _tally(
    bits: NDArray[np.uint32],
    labels: NDArray[np.uint8],
    score: NDArray[np.float32],
    regions: NDArray[np.int32],
    groups: NDArray[np.uint8],
    prediction: NDArray[np.uint8],
    edges: NDArray[np.uint32],
    first: NDArray[np.int64],
    thresholds: NDArray[np.float32],
    counts: NDArray[np.int64],
    called: NDArray[np.int64],
    fine: NDArray[np.int64],
    found: NDArray[np.int64],
    mistaken: NDArray[np.int64],
) -> None:
    classes = fine.shape[0] - mistaken.shape[0]
    for i in range(bits.size):
        label = labels[i]
        if label > ANOMALY:
            continue
        place = bin_of(bits[i], edges, first)
        level = 0
        while level < thresholds.size and score[i] < thresholds[level]:
            level += 1
        counts[label, place] += 1
        called[label, level] += 1
        if label != ANOMALY:
            if prediction.size:
                mistaken[prediction[i], level] += 1
            continue
        for way in range(groups.shape[1]):
            row = groups[regions[i], way]
            fine[row, place] += 1
            found[row, level] += 1
        if prediction.size:
            fine[classes + prediction[i], place] += 1
            found[classes + prediction[i], level] += 1
