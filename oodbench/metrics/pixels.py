"""Average precision, false positive rate at a true positive rate, and AUROC of pooled pixels: exact, ties included.

Only the distinct scores of anomalous pixels are thresholds that matter: between two of them recall stands still. With
TP_j and FP_j the numbers of anomalous and of in-distribution pixels that score at least s_j, P and N their totals:

    AP      = sum_j (TP_j - TP_{j-1}) / P  *  TP_j / (TP_j + FP_j)
    FPR@t   = FP_j / N at the first j, coming down, with TP_j / P >= t
    AUROC   = (number of pairs ranked right + half the pairs that tie) / (P N), counted in integers
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from oodbench.contracts import Protocol
from oodbench.errors import ScoreError
from oodbench.types import ANOMALY, IN_DISTRIBUTION, VOID, AnomalyLabels, ScoreMap


@dataclass(frozen=True)
class PixelMetrics:
    """The metrics as fractions; NaN where undefined, with the reason in `undefined` under the metric's name.

    Attributes:
        values: AP, FPR95 and AUROC (FPR's number follows the protocol's true positive rate).
        undefined: metric -> reason.
        counts: frames, frames_without_anomaly, anomaly_pixels, in_distribution_pixels, void_pixels.
    """

    values: Mapping[str, float]
    undefined: Mapping[str, str]
    counts: Mapping[str, int]


@dataclass
class PixelPool:
    """Collects labelled scores frame by frame. Memory: four bytes a valid pixel, and as much again in `metrics`."""

    _anomalous: list[NDArray[np.float32]] = field(default_factory=list)
    _normal: list[NDArray[np.float32]] = field(default_factory=list)
    _void: int = 0
    _without_anomaly: int = 0

    def update(self, score: ScoreMap, labels: AnomalyLabels) -> None:
        """Take in one frame: score float32 [H, W], higher = more anomalous, and labels of the same shape.

        Raises:
            ScoreError: another shape or type than the labels', or NaN in a pixel that counts.
        """
        values = labels.values
        if score.shape != values.shape:
            raise ScoreError(f"the score map is {score.shape} and its labels are {values.shape}; expected the same")
        if score.dtype != np.float32:
            raise ScoreError(f"the score map is {score.dtype}; expected float32")
        anomalous, normal = score[values == ANOMALY], score[values == IN_DISTRIBUTION]
        broken = int(np.isnan(anomalous).sum() + np.isnan(normal).sum())
        if broken:
            raise ScoreError(f"{broken} of {anomalous.size + normal.size} valid pixels score NaN")
        self._anomalous.append(anomalous)
        self._normal.append(normal)
        self._void += int(np.count_nonzero(values == VOID))
        self._without_anomaly += anomalous.size == 0

    def merge(self, others: Iterable[PixelPool]) -> None:
        """Add what other pools collected; the order does not change any metric."""
        for other in others:
            self._anomalous += other._anomalous
            self._normal += other._normal
            self._void += other._void
            self._without_anomaly += other._without_anomaly

    def metrics(self, protocol: Protocol) -> PixelMetrics:
        """The metrics of everything collected so far."""
        positive = np.concatenate([*self._anomalous, np.empty(0, np.float32)])
        negative = np.concatenate([*self._normal, np.empty(0, np.float32)])
        positive.sort()
        negative.sort()
        counts = {
            "frames": len(self._anomalous),
            "frames_without_anomaly": self._without_anomaly,
            "anomaly_pixels": positive.size,
            "in_distribution_pixels": negative.size,
            "void_pixels": self._void,
        }
        fpr_name = f"FPR{protocol.tpr * 100:g}"
        values, undefined = {"AP": math.nan, fpr_name: math.nan, "AUROC": math.nan}, {}
        if positive.size == 0:
            undefined = dict.fromkeys(values, "no anomalous pixel among the valid ones")
        else:
            threshold, tied = np.unique(positive, return_counts=True)  # ascending
            # From the highest threshold down.
            tied = tied[::-1]
            true = np.cumsum(tied)  # [thresholds]
            not_below = (negative.size - np.searchsorted(negative, threshold, side="left"))[::-1]
            above = (negative.size - np.searchsorted(negative, threshold, side="right"))[::-1]
            values["AP"] = float(np.sum(tied / positive.size * (true / (true + not_below))))
            if negative.size == 0:
                reason = "no in-distribution pixel among the valid ones"
                undefined = {fpr_name: reason, "AUROC": reason}
            else:
                reached = int(np.argmax(true / positive.size >= protocol.tpr))
                values[fpr_name] = float(not_below[reached] / negative.size)
                # Twice the pairs ranked wrong: 2 x (normal above) + (normal tied). At most 2 P N, far inside int64.
                wrong = int(np.sum(tied * (above + not_below)))
                values["AUROC"] = 1.0 - wrong / (2 * positive.size * negative.size)
        return PixelMetrics(values, undefined, counts)
