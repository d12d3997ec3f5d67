"""The scores of a benchmark from which a scorer's levels are chosen: a sample of stored maps, or counts in bins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oodbench.contracts import BinnedScores, Result, RunView
from oodbench.errors import NotStoredError
from oodbench.metrics import PixelCounts
from oodbench.metrics.counting.curve_points import CurvePoints, Summation
from oodbench.metrics.counting.ordered_keys import keys_of, scores_of
from oodbench.metrics.counting.quantized_scores import LEVELS, ScoreLevels
from oodbench.types import ANOMALY, IN_DISTRIBUTION, AnomalyLabels, ScoreMap

# All anomalous pixels of a frame are sampled, and one in 4 x 4 others.
_STRIDE = 4

# Percentiles of in-distribution scores that the colours span without calibration.
_ENDS = (1, 99)


@dataclass(frozen=True)
class ScorePool:
    """Scores of a benchmark.

    Attributes:
        points: The distinct scores of anomalous pixels.
        positive: Number of anomalous pixels.
        negative: Number of in-distribution pixels.
        ends: The 1st and the 99th percentile of in-distribution scores.
        binned: The counts of all frames; None if the pool is a sample of stored maps.
    """

    points: CurvePoints
    positive: int
    negative: int
    ends: tuple[float, float]
    binned: BinnedScores | None = None

    def snap(self, scores: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return the scores at which counts of binned pixels are exact, each at most the given one if possible."""
        if self.binned is None:
            return scores
        ascending = self.binned.lowest[::-1]
        snapped: NDArray[np.floating] = ascending[(np.searchsorted(ascending, scores, side="right") - 1).clip(0)]
        return snapped

    def best_f1_threshold(self, tpr: float) -> float:
        """Return the threshold of the largest F1; there must be an anomalous pixel."""
        summation = Summation(self.positive, self.negative, tpr)
        summation.add(self.points)
        return float(scores_of(np.array([summation.best_f1_key], np.uint32))[0])

    def count_levels(self, levels: ScoreLevels) -> NDArray[np.uint32] | None:
        """Return the pixels of each frame per level, uint32 [F, 2, 256]; None if the pool is a sample."""
        if self.binned is None:
            return None
        level = np.append(np.searchsorted(levels.edges, self.binned.lowest, side="right"), 0)
        counts = np.zeros((*self.binned.counts.shape[:2], LEVELS), np.uint32)
        by_bin = np.moveaxis(self.binned.counts.astype(np.uint32), -1, 0)
        np.add.at(np.moveaxis(counts, -1, 0), level, by_bin)
        return counts


def collect_pool(run: RunView, row: Result, sample: Mapping[str, AnomalyLabels | None]) -> ScorePool | None:
    """Return the scores of a result: counts in bins if a map of the sample is not stored and there are such counts.

    Args:
        run: Run to report on.
        row: The result.
        sample: The labels of some frames; None if they are hidden.

    Returns:
        The scores; None if neither maps nor counts are stored.
    """
    parts = list(_iter_sample(run, row, sample))
    if len(parts) < len(sample):
        binned = run.binned_scores(row)
        if binned is not None and binned.lowest.size:
            return _make_binned_pool(binned)
    if not parts:
        return None
    counts = PixelCounts()
    for score, labels in parts:
        counts.update(score, labels)
    values = np.concatenate([score[labels.values == IN_DISTRIBUTION] for score, labels in parts])
    if not values.size:
        values = np.zeros(1, np.float32)
    low, high = np.percentile(values, _ENDS)
    return ScorePool(counts.points(), counts.positive, counts.negative, (float(low), float(high)))


def _make_binned_pool(binned: BinnedScores) -> ScorePool:
    normal, anomalous = binned.counts.sum(axis=0)
    above = np.cumsum(normal) - normal
    used = np.flatnonzero(anomalous[:-1])  # the last range has no lowest score
    points = CurvePoints(keys_of(binned.lowest[used]), anomalous[used], above[used], normal[used])
    negative = int(normal.sum())
    reached = np.searchsorted(np.cumsum(normal[::-1]), np.array(_ENDS) / 100 * negative)  # from the lowest range up
    low, high = binned.lowest[::-1][(reached - 1).clip(0)]
    return ScorePool(points, int(anomalous.sum()), negative, (float(low), float(high)), binned)


def _iter_sample(
    run: RunView, row: Result, sample: Mapping[str, AnomalyLabels | None]
) -> Iterator[tuple[ScoreMap, AnomalyLabels]]:
    for frame, labels in sample.items():
        try:
            score = run.score(row, frame)
        except NotStoredError:
            continue
        values = np.full(score.shape, IN_DISTRIBUTION, np.uint8) if labels is None else labels.values
        kept = values == ANOMALY
        kept[::_STRIDE, ::_STRIDE] = True
        yield score[kept][None], AnomalyLabels(values[kept][None])
