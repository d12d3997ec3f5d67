"""Intervals that contain the exact metrics, from counts of a small, fixed size.

Scores are counted by the first bits of their order-preserving keys. The order within such a bucket is unknown, so the
intervals cover every order. With T and F anomalous and in-distribution pixels in the buckets above, p and n in the
bucket:

    AP      highest: all p rank above all n:            p (T + p) / (T + p + F)
            lowest:  all n rank above the p, untied:    sum over i = 1..p of (T + i) / (T + i + F + n)
    FPR@t   in the bucket in which the true positive rate is reached: from F / N to (F + n) / N
    AUROC   the p n pairs within a bucket: all ranked correctly, or all wrongly

A closed form bounds the sum from below. f(x) = x / (x + A) is concave, so each f(T + i) is at least its mean over
an interval of length one around T + i. The sum is therefore at least

    integral of f from T + 1/2 to T + p + 1/2  =  p - A log(1 + p / (T + A + 1/2)),  A = F + n
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oodbench.contracts import Protocol
from oodbench.errors import UsageError
from oodbench.metrics.counting import kernels
from oodbench.metrics.counting.checks import check_nan, flatten_scores
from oodbench.metrics.pixels import check_in_passes, undefined_reasons
from oodbench.types import ANOMALY, IN_DISTRIBUTION, AnomalyLabels, ScoreMap

# Larger than the total rounding error of sums whose terms add up to one.
_ROUNDING = 1e-12
_FEWEST, _MOST = 12, 24


@dataclass(frozen=True)
class PixelBrackets:
    """Lower and upper bounds of the exact metrics, as fractions; both are NaN if a metric is undefined.

    Attributes:
        low: Lower bounds of `AP`, `FPR95` and `AUROC`. The number in the name of `FPR95` is the true positive rate at
            which it is read, in percent.
        high: Upper bounds of the same metrics.
        undefined: Maps each undefined metric to the reason.

    Examples:
        >>> import numpy as np
        >>> from oodbench.metrics import POOLED, BucketCounts, pixel_brackets
        >>> from oodbench.types import AnomalyLabels
        >>> counts = BucketCounts(bits=12)
        >>> counts.update(np.float32([0.9, 0.1]), AnomalyLabels(np.array([1, 0], np.uint8)))
        >>> brackets = pixel_brackets(counts, POOLED)
        >>> brackets.low["AUROC"] <= 1.0 <= brackets.high["AUROC"]
        True
    """

    low: Mapping[str, float]
    high: Mapping[str, float]
    undefined: Mapping[str, str]


class BucketCounts:
    """Counts of labelled scores in 2^bits buckets, from which `pixel_brackets` computes bounds of the metrics.

    A bucket holds the scores with the same first bits, ordered as the scores are. Parts of the frames can be counted
    separately and merged in any order; the bounds are the same.

    Args:
        bits: Number of bits, 12 to 24. The counts take 16 * 2^bits bytes: 1 MiB for 16 bits, 8 MiB for 19, 64 MiB for
            22. Each further bit halves the distance between the bounds, until each bucket holds a single score.

    Attributes:
        bits: Number of bits, as passed.
        counts: int64 [2, 2^bits], in-distribution and anomalous pixels per bucket.

    Raises:
        UsageError: The number of bits is out of range.

    Examples:
        >>> import numpy as np
        >>> from oodbench.metrics import BucketCounts
        >>> from oodbench.types import AnomalyLabels
        >>> counts = BucketCounts(bits=12)
        >>> counts.update(np.float32([0.9, 0.1, 0.2]), AnomalyLabels(np.array([1, 0, 255], np.uint8)))
        >>> counts.counts.shape, counts.counts.sum(axis=1).tolist()
        ((2, 4096), [1, 1])
    """

    def __init__(self, bits: int = 16) -> None:
        if not _FEWEST <= bits <= _MOST:
            raise UsageError(f"{bits} bits for the buckets; expected {_FEWEST} to {_MOST}", "Set bits to 16 or 19.")
        self.bits = bits
        self.counts = np.zeros((2, 1 << bits), np.int64)

    def update(self, score: ScoreMap, labels: AnomalyLabels) -> None:
        """Count one frame.

        Args:
            score: float32 [H, W], higher = more anomalous.
            labels: Labels of the same shape.

        Raises:
            ScoreError: The shape or type does not match the labels, or the score of a pixel that is not void is NaN.
                Do not use the counts after this error.
        """
        bits, flat = flatten_scores(score, labels)
        void, broken = kernels.count_buckets(bits, flat, self.counts, 32 - self.bits)
        check_nan(broken, flat.size - void)

    def merge(self, others: Iterable[BucketCounts]) -> None:
        """Add the counts of other `BucketCounts`.

        Args:
            others: Counts of other frames, with the same number of bits.

        Raises:
            UsageError: The number of bits differs.
        """
        for other in others:
            if other.bits != self.bits:
                raise UsageError(
                    f"buckets of {other.bits} bits can't be added to buckets of {self.bits} bits",
                    "Create all states with the same number of bits.",
                )
            self.counts += other.counts


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
        >>> from oodbench.metrics import POOLED, BucketCounts, auroc, pixel_brackets
        >>> from oodbench.types import AnomalyLabels
        >>> scores = np.random.default_rng(0).random(1000, np.float32)
        >>> labels = (scores + np.random.default_rng(1).random(1000) > 1.2).astype(np.uint8)
        >>> counts = BucketCounts(bits=12)
        >>> counts.update(scores, AnomalyLabels(labels))
        >>> brackets = pixel_brackets(counts, POOLED)
        >>> brackets.low["AUROC"] <= auroc(scores, labels) <= brackets.high["AUROC"]
        True
    """
    check_in_passes(protocol)
    used = np.flatnonzero(counts.counts.any(axis=0))[::-1]
    inside_true, inside_false = counts.counts[ANOMALY, used], counts.counts[IN_DISTRIBUTION, used]
    true, false = np.cumsum(inside_true), np.cumsum(inside_false)
    positive, negative = int(inside_true.sum()), int(inside_false.sum())
    undefined = undefined_reasons(positive, negative, protocol)
    bounds = (
        _average_precision(inside_true, true, inside_false, false, positive),
        _fpr(true, inside_false, false, positive, negative, protocol.tpr),
        _auroc(inside_true, inside_false, false, positive, negative),
    )
    brackets = dict(zip(protocol.pixel_metrics, bounds, strict=True))
    low = {name: max(bracket[0] - _ROUNDING, 0.0) for name, bracket in brackets.items()}
    high = {name: min(bracket[1] + _ROUNDING, 1.0) for name, bracket in brackets.items()}
    nothing = dict.fromkeys(undefined, math.nan)
    return PixelBrackets(low | nothing, high | nothing, undefined)


def _average_precision(
    inside_true: NDArray[np.int64],
    true: NDArray[np.int64],
    inside_false: NDArray[np.int64],
    false: NDArray[np.int64],
    positive: int,
) -> tuple[float, float]:
    some = inside_true > 0
    p, t = inside_true[some], true[some] - inside_true[some]
    above, below = false[some] - inside_false[some], false[some]
    high = p * ((t + p) / (t + p + above))
    low = p - below * np.log1p(p / (t + below + 0.5))
    share = max(positive, 1)
    return math.fsum(low) / share, math.fsum(high) / share


def _fpr(
    true: NDArray[np.int64],
    inside_false: NDArray[np.int64],
    false: NDArray[np.int64],
    positive: int,
    negative: int,
    tpr: float,
) -> tuple[float, float]:
    if not positive or not negative:
        return math.nan, math.nan
    at = int(np.argmax(true / positive >= tpr))
    return float((false[at] - inside_false[at]) / negative), float(false[at] / negative)


def _auroc(
    inside_true: NDArray[np.int64],
    inside_false: NDArray[np.int64],
    false: NDArray[np.int64],
    positive: int,
    negative: int,
) -> tuple[float, float]:
    pairs = positive * negative
    if not pairs:
        return math.nan, math.nan
    wrong = int(np.sum(inside_true * (false - inside_false)))
    unknown = int(np.sum(inside_true * inside_false))
    return (pairs - wrong - unknown) / pairs, (pairs - wrong) / pairs
