"""FPR and AP under the rules of other evaluators, from the same curve points.

Between two distinct anomalous scores recall is constant while false positives are added. With FP_j counted at the j-th
anomalous score in descending order, the segment at its recall ends with E_j false positives, those above the next
score.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from oodbench.contracts import Protocol
from oodbench.metrics.counting.curve_points import CurvePoints


def _segment_ends(points: CurvePoints, negative: int) -> NDArray[np.int64]:
    """Return E_j, the false positives at the end of the segment at each recall."""
    return np.concatenate([points.above[1:], [negative]])


def fpr_at(points: CurvePoints, positive: int, negative: int, protocol: Protocol) -> float:
    """Return the false positive rate by a rule other than `first`, which `Summation` computes; NaN without both kinds.

    Args:
        points: The curve points.
        positive: Number of anomalous pixels.
        negative: Number of in-distribution pixels.
        protocol: The protocol with the rule.
    """
    if not positive or not negative:
        return math.nan
    recall = np.cumsum(points.tied) / positive
    false = points.above + points.equal
    if protocol.fpr == "nearest":
        return _fpr_nearest(recall, _segment_ends(points, negative), false, negative, protocol.tpr)
    if protocol.fpr == "interpolated":
        return _fpr_interpolated(recall, _segment_ends(points, negative), false, negative, protocol.tpr, points)
    return _fpr_strict(recall, false, negative, protocol.tpr, points)


def _fpr_nearest(
    recall: NDArray[np.float64], ends: NDArray[np.int64], false: NDArray[np.int64], negative: int, tpr: float
) -> float:
    """Return the FPR at the recall closest to `tpr`.

    The search runs from full recall downwards, as in the reference implementations, and starts at the first threshold
    that reaches full recall. It therefore meets the end of each segment first, and the higher of two equally near
    recalls.
    """
    candidates = np.concatenate([ends[:-1], false[-1:]])[::-1]
    distance = np.abs(recall[::-1] - tpr)
    # The curve also has the point of zero recall at its end; it is the nearest only for a very small `tpr`.
    return float(candidates[int(np.argmin(distance))] / negative)


def _fpr_interpolated(
    recall: NDArray[np.float64],
    ends: NDArray[np.int64],
    false: NDArray[np.int64],
    negative: int,
    tpr: float,
    points: CurvePoints,
) -> float:
    """Interpolate the FPR from the end of the last segment at or below `tpr` to the first point above it."""
    below = int(np.searchsorted(recall, tpr, side="right")) - 1
    if below == recall.size - 1:
        return float(ends[below] / negative)
    left = (recall[below], ends[below]) if below >= 0 else (0.0, int(points.above[0]))
    right = (recall[below + 1], false[below + 1])
    share = (tpr - left[0]) / (right[0] - left[0])
    return float((left[1] + share * (right[1] - left[1])) / negative)


def _fpr_strict(
    recall: NDArray[np.float64], false: NDArray[np.int64], negative: int, tpr: float, points: CurvePoints
) -> float:
    """Return the FPR at the first vertex above `tpr`. A point between two equal steps is not a vertex.

    A step is the change that one distinct score causes. Two anomalous scores are adjacent, without a step of
    in-distribution pixels alone in between, if no in-distribution score is between them.
    """
    for index in range(int(np.searchsorted(recall, tpr, side="right")), recall.size):
        last = index == recall.size - 1
        between_equals = (
            not last
            and points.above[index + 1] == false[index]
            and points.tied[index + 1] == points.tied[index]
            and points.equal[index + 1] == points.equal[index]
        )
        if not between_equals:
            return float(false[index] / negative)
    return 1.0


def trapezoid(points: CurvePoints, positive: int, negative: int) -> float:
    """Return the area under straight lines between the points of the precision-recall curve, starting at (0, 1).

    Args:
        points: The curve points.
        positive: Number of anomalous pixels.
        negative: Number of in-distribution pixels.
    """
    if not positive:
        return math.nan
    true = np.cumsum(points.tied)
    precision = true / (true + points.above + points.equal)
    end = true / (true + _segment_ends(points, negative))
    # If in-distribution pixels score highest, precision is zero before the first anomalous score.
    start = 0.0 if points.above[0] else 1.0
    before = np.concatenate([[start], end[:-1]])
    return float(np.sum(points.tied / positive * (before + precision) / 2))
