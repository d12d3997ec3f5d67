"""The whole precision-recall and ROC curves, with their thresholds: exact, or thinned to a number of points.

Nothing is lost by standing at the distinct anomalous scores alone. Between two of them recall stands still: the ROC
curve runs level, which its corners say, and precision only falls, to where the next point's `before` says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from oodbench.errors import UsageError
from oodbench.metrics.counting.counts import PixelCounts
from oodbench.metrics.counting.curve_points import CurvePoints
from oodbench.metrics.counting.ordered_keys import scores_of


@dataclass(frozen=True)
class PixelCurve:
    """What a threshold costs and gains, at distinct anomalous scores from the highest down.

    Attributes:
        threshold: float32 [J], descending; pixels that score at least this are predicted.
        true: int64 [J], anomalous pixels among these.
        false: int64 [J], in-distribution pixels among these.
        before: int64 [J], in-distribution pixels that score higher than the threshold.
        positive: all anomalous pixels.
        negative: all in-distribution pixels.
    """

    threshold: NDArray[np.float32]
    true: NDArray[np.int64]
    false: NDArray[np.int64]
    before: NDArray[np.int64]
    positive: int
    negative: int

    @property
    def recall(self) -> NDArray[np.float64]:
        """float64 [J], the true positive rate."""
        return self.true / self.positive

    @property
    def precision(self) -> NDArray[np.float64]:
        """float64 [J]."""
        return self.true / (self.true + self.false)

    @property
    def fpr(self) -> NDArray[np.float64]:
        """float64 [J], the false positive rate; NaN without in-distribution pixels."""
        return self.false / self.negative if self.negative else np.full(self.false.shape, np.nan)

    def roc(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The corners of the ROC curve, from (0, 0) to (1, 1): false and true positive rates, float64 [2 J + 2].

        Straight lines between them are the curve, and the area under these is AUROC. A curve that was thinned leaves
        corners out.
        """
        reached = np.concatenate([[0], self.true])
        # A level run before each point, and then the step to it.
        across = np.stack([self.before, self.false], axis=1).ravel()
        up = np.stack([reached[:-1], reached[1:]], axis=1).ravel()
        fpr = np.concatenate([[0], across, [self.negative]]) / (self.negative or np.nan)
        return fpr, np.concatenate([[0], up, [reached[-1]]]) / (self.positive or np.nan)

    def thin(self, points: int) -> PixelCurve:
        """Return a curve of at most that many of the points, each unchanged.

        The rule: walk down the curve and count recall + false positive rate, the way travelled on the ROC curve. Where
        the way passes each of `points` even marks, from the first point's to the last's, the point that reaches the
        mark stays. So a point that goes is nearer than one mark's distance, in both rates, to one that stays, and the
        first and the last always stay.

        Raises:
            UsageError: fewer than two points.
        """
        if points < 2:
            raise UsageError(f"a curve of {points} points; expected 2 or more")
        if self.threshold.size <= points:
            return self
        way = self.recall + (self.fpr if self.negative else 0.0)
        kept = np.unique(np.searchsorted(way, np.linspace(way[0], way[-1], points)))
        names = ("threshold", "true", "false", "before")
        return replace(self, **{name: getattr(self, name)[kept] for name in names})


def pixel_curve(counts: PixelCounts, points: CurvePoints | None = None) -> PixelCurve:
    """Return the exact curve of all counted pixels as one pool; it has no points if no pixel is anomalous.

    Args:
        counts: The counted pixels.
        points: The curve points of the counts, if they are computed already.
    """
    points = counts.points() if points is None else points
    true, false = np.cumsum(points.tied), points.above + points.equal
    return PixelCurve(scores_of(points.key), true, false, points.above, counts.positive, counts.negative)
