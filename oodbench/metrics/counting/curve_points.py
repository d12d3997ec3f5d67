"""Metrics from the counts at the relevant thresholds.

Only the distinct scores of anomalous pixels are relevant thresholds, because recall is constant between two of them.
With TP_j and FP_j the numbers of anomalous and of in-distribution pixels that score at least s_j, and P and N their
totals:

    AP      = sum_j (TP_j - TP_{j-1}) / P  *  TP_j / (TP_j + FP_j)
    FPR@t   = FP_j / N at the first j, in descending order of scores, with TP_j / P >= t
    AUROC   = (pairs ranked correctly + half the tied pairs) / (P N), counted in integers
    best F1 = max_j 2 TP_j / (2 TP_j + FP_j + P - TP_j)

The terms of AP are added in fixed point, as integers of 2^-62, whose sum fits 63 bits because AP is at most one. The
sum is therefore bit-identical for any order and grouping of the thresholds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_FIXED_POINT = 2.0**62


@dataclass(frozen=True)
class CurvePoints:
    """Distinct anomalous scores in descending order, with the numbers of pixels that have the same or a higher score.

    Attributes:
        key: uint32 [J], the order-preserving keys of the scores (oodbench.metrics.counting.ordered_keys).
        tied: int64 [J], anomalous pixels with this score.
        above: int64 [J], in-distribution pixels with a higher score.
        equal: int64 [J], in-distribution pixels with this score.
    """

    key: NDArray[np.uint32]
    tied: NDArray[np.int64]
    above: NDArray[np.int64]
    equal: NDArray[np.int64]


class Summation:
    """Sums of the metrics over points that arrive in parts, from the highest score down.

    Args:
        positive: P, the number of anomalous pixels.
        negative: N, the number of in-distribution pixels.
        tpr: The true positive rate at which the false positive rate is read.
    """

    def __init__(self, positive: int, negative: int, tpr: float) -> None:
        self._positive, self._negative, self._tpr = positive, negative, tpr
        self._true = 0
        self._precision = 0
        self._wrong = 0
        self._fpr: float | None = None
        self.best_f1 = -math.inf
        self.best_f1_key = 0
        self.largest_tie = 0

    def add(self, points: CurvePoints) -> None:
        """Add the next part of the points."""
        if not points.key.size:
            return
        true = self._true + np.cumsum(points.tied)  # [J]
        false = points.above + points.equal
        share = points.tied / self._positive * (true / (true + false))
        self._precision += int(np.rint(share * _FIXED_POINT).astype(np.int64).sum())
        # Twice the pairs ranked wrongly. One term is at most 2 P N, well within int64; the sum is a Python int.
        self._wrong += int(np.sum(points.tied * (points.above + false)))
        if self._fpr is None and self._negative:
            reached = true / self._positive >= self._tpr
            if reached[-1]:
                self._fpr = float(false[int(np.argmax(reached))] / self._negative)
        f1 = 2 * true / (true + false + self._positive)
        best = int(np.argmax(f1))
        if f1[best] > self.best_f1:
            self.best_f1, self.best_f1_key = float(f1[best]), int(points.key[best])
        self.largest_tie = max(self.largest_tie, int(np.max(points.tied + points.equal)))
        self._true = int(true[-1])

    @property
    def average_precision(self) -> float:
        """AP; NaN without anomalous pixels."""
        return self._precision / _FIXED_POINT if self._positive else math.nan

    @property
    def fpr(self) -> float:
        """The false positive rate; NaN without pixels of either kind."""
        return math.nan if self._fpr is None else self._fpr

    @property
    def auroc(self) -> float:
        """AUROC; NaN without pixels of either kind."""
        pairs = 2 * self._positive * self._negative
        return (pairs - self._wrong) / pairs if pairs else math.nan
