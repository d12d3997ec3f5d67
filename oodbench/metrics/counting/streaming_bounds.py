"""Bounds that contain the exact metrics, from counts of scores in buckets.

The order of the scores within a bucket is unknown, unless their ranges determine it. The bounds therefore cover every
order that the ranges allow. With T and F anomalous and in-distribution pixels in the buckets above, p and n in the
bucket, and b <= w the smallest and the largest number of the n that can score at least as high as one of the p:

    b = w = 0    if all p score higher than all n
    b = w = n    if no n scores lower than any of the p, as in a bucket with a single score
    b = 0, w = n otherwise

    AP      highest: p (T + p) / (T + p + F + b), all p rank above the others
            lowest:  sum over i = 1..p of (T + i) / (T + i + F + w), the p differ; the highest with w if they are equal
    FPR@t   in the bucket in which the true positive rate is reached: from (F + b) / N to (F + w) / N
    AUROC   the p n pairs within a bucket: all ranked correctly, all wrongly, all tied, or unknown

A closed form bounds the sum from below. f(x) = x / (x + A) is concave, so each f(T + i) is at least its mean over
an interval of length one around T + i. The sum is therefore at least

    integral of f from T + 1/2 to T + p + 1/2  =  p - A log(1 + p / (T + A + 1/2)),  A = F + w
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from oodbench.contracts import Protocol
from oodbench.metrics.counting.bucket_counts import BucketCounts
from oodbench.metrics.pixels import PixelMetrics, check_in_passes, undefined_reasons
from oodbench.types import ANOMALY, IN_DISTRIBUTION

# The rounding error of sums of rounded terms that add up to at most one, and of each term of the exact AP, which is
# rounded to a multiple of 2^-62 (curve_points).
_ROUNDING, _TERM = 1e-12, 2.0**-63


@dataclass(frozen=True)
class PixelBrackets:
    """Lower and upper bounds of the exact metrics, as fractions; both are NaN if a metric is undefined.

    Attributes:
        low: Lower bounds of `AP`, `FPR95` and `AUROC`. The number in the name of `FPR95` is the true positive rate at
            which it is read, in percent.
        high: Upper bounds of the same metrics.
        undefined: Maps each undefined metric to the reason.
        counts: Maps `frames`, `frames_without_anomaly`, `anomaly_pixels`, `in_distribution_pixels` and `void_pixels` to
            their numbers.
        largest_tie: The largest share of the pixels that are known to have the same score, which an anomalous pixel has
            too.

    Examples:
        >>> import numpy as np
        >>> from oodbench.metrics import POOLED, BucketCounts, Buckets, pixel_brackets
        >>> from oodbench.types import AnomalyLabels
        >>> counts = BucketCounts(Buckets.even(12))
        >>> counts.update(np.float32([0.9, 0.1]), AnomalyLabels(np.array([1, 0], np.uint8)))
        >>> brackets = pixel_brackets(counts, POOLED)
        >>> brackets.low["AUROC"] <= 1.0 <= brackets.high["AUROC"]
        True
    """

    low: Mapping[str, float]
    high: Mapping[str, float]
    undefined: Mapping[str, str]
    counts: Mapping[str, int]
    largest_tie: float

    def bounds(self) -> dict[str, tuple[float, float]]:
        """Return the lower and the upper bound of each metric that is defined."""
        return {name: (low, self.high[name]) for name, low in self.low.items() if name not in self.undefined}

    def midpoints(self) -> PixelMetrics:
        """Return metrics whose values are the midpoints of the bounds; the best F1 is NaN, because it is not bounded.

        Examples:
            >>> import numpy as np
            >>> from oodbench.metrics import POOLED, BucketCounts, Buckets, pixel_brackets
            >>> from oodbench.types import AnomalyLabels
            >>> counts = BucketCounts(Buckets.even(12))
            >>> counts.update(np.float32([0.9, 0.1]), AnomalyLabels(np.array([1, 0], np.uint8)))
            >>> round(pixel_brackets(counts, POOLED).midpoints().values["AP"], 9)
            1.0
        """
        values = {name: (low + self.high[name]) / 2 for name, low in self.low.items()}
        return PixelMetrics(values, self.undefined, self.counts, math.nan, math.nan, self.largest_tie)


def pixel_brackets(counts: BucketCounts, protocol: Protocol) -> PixelBrackets:
    """Compute bounds that contain the exact metrics of all counted pixels together, including rounding errors.

    Args:
        counts: The counted pixels.
        protocol: The protocol, a set of rules that turns scores into metrics; its `is_pooled` must be True.

    Returns:
        Lower and upper bounds of AP, the false positive rate and AUROC.

    Raises:
        UsageError: `protocol.is_pooled` is False.

    Examples:
        >>> import numpy as np
        >>> from oodbench.metrics import POOLED, BucketCounts, Buckets, auroc, pixel_brackets
        >>> from oodbench.types import AnomalyLabels
        >>> scores = np.random.default_rng(0).random(1000, np.float32)
        >>> labels = (scores + np.random.default_rng(1).random(1000) > 1.2).astype(np.uint8)
        >>> counts = BucketCounts(Buckets.even(12))
        >>> counts.update(scores, AnomalyLabels(labels))
        >>> brackets = pixel_brackets(counts, POOLED)
        >>> brackets.low["AUROC"] <= auroc(scores, labels) <= brackets.high["AUROC"]
        True
    """
    check_in_passes(protocol)
    pool = _Pool(counts)
    undefined = undefined_reasons(pool.positive, pool.negative, protocol)
    bounds = (pool.average_precision(), pool.fpr(protocol.tpr), pool.auroc())
    brackets = dict(zip(protocol.pixel_metrics, bounds, strict=True))
    rounding = _ROUNDING + _TERM * pool.positive
    low = {name: max(bracket[0] - rounding, 0.0) for name, bracket in brackets.items()}
    high = {name: min(bracket[1] + rounding, 1.0) for name, bracket in brackets.items()}
    nothing = dict.fromkeys(undefined, math.nan)
    totals = {
        "frames": counts.frames,
        "frames_without_anomaly": counts.without_anomaly,
        "anomaly_pixels": pool.positive,
        "in_distribution_pixels": pool.negative,
        "void_pixels": counts.void,
    }
    return PixelBrackets(low | nothing, high | nothing, undefined, totals, pool.largest_tie())


class _Pool:
    """The buckets with anomalous pixels, from the highest down; the names are those of the formulas above."""

    def __init__(self, counts: BucketCounts) -> None:
        used = np.flatnonzero(counts.counts[ANOMALY])[::-1]
        false = counts.counts[IN_DISTRIBUTION]
        self.positive, self.negative = int(counts.counts[ANOMALY].sum()), int(false.sum())
        self._p, self._n = counts.counts[ANOMALY, used], false[used]
        self._t = np.cumsum(self._p) - self._p
        self._f = self.negative - np.cumsum(false)[used]
        lowest, highest = counts.lowest[:, used], counts.highest[:, used]
        # A label without pixels has the range from 2^32 - 1 to 0: all comparisons put its pixels on the right side.
        self._separate = lowest[ANOMALY] > highest[IN_DISTRIBUTION]
        self._under = lowest[IN_DISTRIBUTION] > highest[ANOMALY]
        not_above = lowest[IN_DISTRIBUTION] >= highest[ANOMALY]
        not_under = lowest[ANOMALY] >= highest[IN_DISTRIBUTION]
        self._equal = lowest[ANOMALY] == highest[ANOMALY]
        self._single = not_above & not_under & ~self._separate
        self._best = np.where(not_above, self._n, 0)
        self._worst = np.where(self._separate, 0, self._n)
        # Shares of the p n pairs that are ranked wrongly, where ties count half.
        self._least_wrong = np.where(self._under, 1.0, np.where(not_above, 0.5, 0.0))
        self._most_wrong = np.where(self._separate, 0.0, np.where(not_under, 0.5, 1.0))

    def average_precision(self) -> tuple[float, float]:
        p, t = self._p, self._t
        below = self._f + self._worst
        equal = p * ((t + p) / (t + p + below))
        low = np.where(self._equal, equal, p - below * np.log1p(p / (t + below + 0.5)))
        high = p * ((t + p) / (t + p + self._f + self._best))
        share = max(self.positive, 1)
        return math.fsum(low) / share, math.fsum(high) / share

    def fpr(self, tpr: float) -> tuple[float, float]:
        if not self.positive or not self.negative:
            return math.nan, math.nan
        at = int(np.argmax((self._t + self._p) / self.positive >= tpr))
        return tuple(float((self._f[at] + inside[at]) / self.negative) for inside in (self._best, self._worst))  # type: ignore[return-value]

    def auroc(self) -> tuple[float, float]:
        if not self.positive or not self.negative:
            return math.nan, math.nan
        # As floats: the product of the numbers of pixels can exceed int64.
        share, above, inside = self._p / self.positive, self._f / self.negative, self._n / self.negative
        low, high = (1 - math.fsum(share * (above + inside * part)) for part in (self._most_wrong, self._least_wrong))
        return low, high

    def largest_tie(self) -> float:
        tied = np.where(self._equal, self._p, 0) + np.where(self._single, self._n, 0)
        return float(tied.max(initial=0) / max(self.positive + self.negative, 1))
