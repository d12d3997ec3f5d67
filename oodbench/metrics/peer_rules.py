"""Where peers read a false positive rate, and how they integrate precision: on the same points, by other rules.

Between two distinct anomalous scores recall stands still while false positives are added. With FP_j counted at the j-th
anomalous score, coming down, the run at its recall ends with E_j false positives, those above the next one.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from oodbench.contracts import Protocol
from oodbench.metrics.counting.curve_points import CurvePoints


def _ends(points: CurvePoints, negative: int) -> NDArray[np.int64]:
    """E_j: the false positives at the end of the run at each recall."""
    return np.concatenate([points.above[1:], [negative]])


def fpr_at(points: CurvePoints, positive: int, negative: int, protocol: Protocol) -> float:
    """The false positive rate by a rule other than `first`, which the summation has; NaN without both kinds."""
    if not positive or not negative:
        return math.nan
    recall = np.cumsum(points.tied) / positive
    false = points.above + points.equal
    if protocol.fpr == "nearest":
        return _nearest(recall, _ends(points, negative), false, negative, protocol.tpr)
    if protocol.fpr == "interpolated":
        return _interpolated(recall, _ends(points, negative), false, negative, protocol.tpr, points)
    return _strict(recall, false, negative, protocol.tpr, points)


def _nearest(
    recall: NDArray[np.float64], ends: NDArray[np.int64], false: NDArray[np.int64], negative: int, tpr: float
) -> float:
    """Their search comes up from full recall, where it starts at the first threshold that reaches it.

    So of runs at one recall it meets the end first, and of two recalls as near the higher one.
    """
    candidates = np.concatenate([ends[:-1], false[-1:]])[::-1]
    distance = np.abs(recall[::-1] - tpr)
    # The curve also has the point of zero recall, last; it is nearest only for a tiny rate.
    return float(candidates[int(np.argmin(distance))] / negative)


def _interpolated(
    recall: NDArray[np.float64],
    ends: NDArray[np.int64],
    false: NDArray[np.int64],
    negative: int,
    tpr: float,
    points: CurvePoints,
) -> float:
    """On the line from the end of the last run at or below the rate to the first point above it."""
    below = int(np.searchsorted(recall, tpr, side="right")) - 1
    if below == recall.size - 1:
        return float(ends[below] / negative)
    left = (recall[below], ends[below]) if below >= 0 else (0.0, int(points.above[0]))
    right = (recall[below + 1], false[below + 1])
    share = (tpr - left[0]) / (right[0] - left[0])
    return float((left[1] + share * (right[1] - left[1])) / negative)


def _strict(
    recall: NDArray[np.float64], false: NDArray[np.int64], negative: int, tpr: float, points: CurvePoints
) -> float:
    """The first vertex above the rate. A vertex between two equal steps is none.

    A step is what one distinct score adds; two anomalous scores follow each other without a step of in-distribution
    pixels alone in between where none of those lies between them.
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
    """The area under straight lines between the points of the precision-recall curve, from (0, 1) on."""
    if not positive:
        return math.nan
    true = np.cumsum(points.tied)
    precision = true / (true + points.above + points.equal)
    end = true / (true + _ends(points, negative))
    # Where in-distribution pixels score highest, precision is zero before the first anomalous one.
    start = 0.0 if points.above[0] else 1.0
    before = np.concatenate([[start], end[:-1]])
    return float(np.sum(points.tied / positive * (before + precision) / 2))
