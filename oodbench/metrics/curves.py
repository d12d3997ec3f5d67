"""The complete precision-recall and ROC curves with their thresholds: exact, or thinned to a number of points.

Points are placed at each distinct score of an anomalous pixel. This is the complete curve, because recall is constant
between two such scores. The ROC curve is horizontal there, as its corners show. Precision only falls, down to the value
that the next point's `before` gives.
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
    """The precision-recall and ROC curves, as counts of pixels at J thresholds.

    The thresholds are the distinct scores of anomalous pixels. Recall does not change between them.

    Attributes:
        threshold: float32 [J], descending; pixels that score at least this are predicted as anomalous.
        true: int64 [J], predicted pixels that are anomalous.
        false: int64 [J], predicted pixels that are in-distribution.
        before: int64 [J], in-distribution pixels that score higher than the threshold, without equal scores.
        positive: Number of all anomalous pixels.
        negative: Number of all in-distribution pixels.

    Examples:
        >>> import numpy as np
        >>> from oodbench.metrics import PixelCounts, pixel_curve
        >>> from oodbench.types import AnomalyLabels
        >>> counts = PixelCounts()
        >>> counts.update(np.float32([0.75, 0.5, 0.25]), AnomalyLabels(np.array([1, 0, 1], np.uint8)))
        >>> curve = pixel_curve(counts)
        >>> curve.threshold.tolist(), curve.recall.tolist(), curve.fpr.tolist()
        ([0.75, 0.25], [0.5, 1.0], [0.0, 1.0])
    """

    threshold: NDArray[np.float32]
    true: NDArray[np.int64]
    false: NDArray[np.int64]
    before: NDArray[np.int64]
    positive: int
    negative: int

    @property
    def recall(self) -> NDArray[np.float64]:
        """The true positive rate, float64 [J]."""
        return self.true / self.positive

    @property
    def precision(self) -> NDArray[np.float64]:
        """The precision, float64 [J]."""
        return self.true / (self.true + self.false)

    @property
    def fpr(self) -> NDArray[np.float64]:
        """The false positive rate, float64 [J]; NaN without in-distribution pixels."""
        return self.false / self.negative if self.negative else np.full(self.false.shape, np.nan)

    def roc(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the corners of the ROC curve from (0, 0) to (1, 1).

        The curve consists of straight lines between the corners, and the area under these lines is AUROC. A curve that
        `thin` returned lacks corners.

        Returns:
            False and true positive rates, float64 [2 J + 2] each.
        """
        reached = np.concatenate([[0], self.true])
        # A horizontal line before each point, and then the step to it.
        across = np.stack([self.before, self.false], axis=1).ravel()
        up = np.stack([reached[:-1], reached[1:]], axis=1).ravel()
        fpr = np.concatenate([[0], across, [self.negative]]) / (self.negative or np.nan)
        return fpr, np.concatenate([[0], up, [reached[-1]]]) / (self.positive or np.nan)

    def thin(self, points: int) -> PixelCurve:
        """Return a curve that keeps at most `points` of the points.

        Kept points are unchanged. The path length along the ROC curve is recall + false positive rate. Evenly spaced
        marks divide the path from the first to the last point, and the first point that reaches each mark is kept. The
        rates of a removed point therefore differ from those of a kept point by at most the spacing of the marks. The
        first and the last point are always kept.

        Args:
            points: Maximum number of points to keep, 2 or more.

        Returns:
            The curve with fewer points; this curve itself if it has at most `points` points.

        Raises:
            UsageError: `points` is less than 2.
        """
        if points < 2:
            raise UsageError(f"a curve of {points} points; expected 2 or more", "Set points to at least 2.")
        if self.threshold.size <= points:
            return self
        way = self.recall + (self.fpr if self.negative else 0.0)
        kept = np.unique(np.searchsorted(way, np.linspace(way[0], way[-1], points)))
        names = ("threshold", "true", "false", "before")
        return replace(self, **{name: getattr(self, name)[kept] for name in names})


def pixel_curve(counts: PixelCounts, points: CurvePoints | None = None) -> PixelCurve:
    """Return the exact precision-recall and ROC curves of all counted pixels together.

    Args:
        counts: The counted pixels.
        points: The output of `counts.points()`, if it is computed already. None: it is computed.

    Returns:
        The curves, with a point at each distinct score of an anomalous pixel, from the highest score down.

    Examples:
        >>> import numpy as np
        >>> from oodbench.metrics import PixelCounts, pixel_curve
        >>> from oodbench.types import AnomalyLabels
        >>> counts = PixelCounts()
        >>> counts.update(np.float32([0.75, 0.5, 0.25]), AnomalyLabels(np.array([1, 0, 1], np.uint8)))
        >>> pixel_curve(counts).precision.round(4).tolist()
        [1.0, 0.6667]
    """
    points = counts.points() if points is None else points
    true, false = np.cumsum(points.tied), points.above + points.equal
    return PixelCurve(scores_of(points.key), true, false, points.above, counts.positive, counts.negative)
