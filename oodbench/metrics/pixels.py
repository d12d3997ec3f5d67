"""AP, false positive rate, AUROC and best F1 of pooled pixels, from counts or from a source that is read repeatedly."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from oodbench.contracts import Protocol
from oodbench.errors import UsageError
from oodbench.metrics.counting import kernels
from oodbench.metrics.counting.checks import check_nan, flatten_scores
from oodbench.metrics.counting.counts import PixelCounts
from oodbench.metrics.counting.curve_points import CurvePoints, Summation
from oodbench.metrics.counting.ordered_keys import scores_of
from oodbench.metrics.peer_rules import fpr_at, trapezoid
from oodbench.types import ANOMALY, IN_DISTRIBUTION, AnomalyLabels, ScoreMap

Source = Callable[[], Iterable[tuple[ScoreMap, AnomalyLabels]]]
"""A function that returns all frames, from the first, each time it is called."""


@dataclass(frozen=True)
class PixelMetrics:
    """The metrics of pixels, as fractions; NaN if undefined.

    Attributes:
        values: Maps `AP`, `FPR95` and `AUROC` to their values. The number in the name of `FPR95` is the true positive
            rate at which it is read, in percent.
        undefined: Maps each undefined metric to the reason.
        counts: Maps `frames`, `frames_without_anomaly`, `anomaly_pixels`, `in_distribution_pixels` and `void_pixels` to
            their numbers.
        best_f1: The largest F1 over all thresholds; NaN without anomalous pixels.
        best_f1_threshold: The threshold of the largest F1; pixels that score at least this are predicted as anomalous.
        largest_tie: The largest share of the pixels that have the same score, among the scores of anomalous pixels. A
            large share means that scores saturate, and that the metrics depend on how equal scores are counted. Void
            pixels are not counted.

    Examples:
        >>> import numpy as np
        >>> from oodbench.metrics import POOLED, PixelCounts, pixel_metrics
        >>> from oodbench.types import AnomalyLabels
        >>> counts = PixelCounts()
        >>> counts.update(np.float32([0.5, 0.5]), AnomalyLabels(np.array([0, 0], np.uint8)))
        >>> metrics = pixel_metrics(counts, POOLED)
        >>> metrics.values["AP"], metrics.undefined["AP"]
        (nan, 'no anomalous pixel among the valid ones')
    """

    values: Mapping[str, float]
    undefined: Mapping[str, str]
    counts: Mapping[str, int]
    best_f1: float
    best_f1_threshold: float
    largest_tie: float


@dataclass(frozen=True)
class Totals:
    """The numbers of frames and pixels that were counted."""

    frames: int
    without_anomaly: int
    positive: int
    negative: int
    void: int


def pixel_metrics(counts: PixelCounts, protocol: Protocol, points: CurvePoints | None = None) -> PixelMetrics:
    """Compute the exact metrics of all counted pixels together, under a protocol's rules for AP and FPR.

    Args:
        counts: The counted pixels.
        protocol: The protocol, a set of rules that turns scores into metrics.
        points: The output of `counts.points()`, if it is computed already. None: it is computed.

    Returns:
        AP, the false positive rate, AUROC and the best F1, with the numbers of frames and pixels.

    Examples:
        >>> import numpy as np
        >>> from oodbench.metrics import PROTOCOLS, PixelCounts, pixel_metrics
        >>> from oodbench.types import AnomalyLabels
        >>> counts = PixelCounts()
        >>> counts.update(np.float32([0.9, 0.8, 0.7, 0.6]), AnomalyLabels(np.array([1, 0, 1, 0], np.uint8)))
        >>> metrics = pixel_metrics(counts, PROTOCOLS["pebal"])
        >>> {name: round(value, 4) for name, value in metrics.values.items()}
        {'AP': 0.8333, 'FPR95': 0.5, 'AUROC': 0.75}
    """
    totals = Totals(counts.frames, counts.without_anomaly, counts.positive, counts.negative, counts.void)
    summation = Summation(totals.positive, totals.negative, protocol.tpr)
    points = counts.points() if points is None else points
    summation.add(points)
    metrics = _metrics(summation, totals, protocol)
    rules = {}
    if protocol.average_precision == "trapezoid":
        rules["AP"] = trapezoid(points, totals.positive, totals.negative)
    if protocol.fpr != "first":
        rules[protocol.fpr_name] = fpr_at(points, totals.positive, totals.negative, protocol)
    return replace(metrics, values={**metrics.values, **rules})


def pixel_metrics_of(read: Source, protocol: Protocol, budget: int) -> PixelMetrics:
    """Compute the same exact metrics as `pixel_metrics` in bounded memory, by reading the frames several times.

    The first pass counts scores in buckets, by the top 16 bits of an integer that has the same order as the score. Each
    further pass counts as many of the buckets with anomalous pixels as fit into the budget, at 1 MiB per bucket.

    Args:
        read: Function that returns the frames: pairs of scores, float32 [H, W], and labels; called once per pass.
        protocol: The protocol, a set of rules that turns scores into metrics; its `is_pooled` must be True.
        budget: Memory for the counts in bytes, at least 4 MiB.

    Returns:
        AP, the false positive rate, AUROC and the best F1, with the numbers of frames and pixels.

    Raises:
        UsageError: The budget is too small, or `protocol.is_pooled` is False.
        ScoreError: The shape or type of scores does not match the labels, or the score of a pixel that is not void is
            NaN.

    Examples:
        >>> import numpy as np
        >>> from oodbench.metrics import POOLED, pixel_metrics_of
        >>> from oodbench.types import AnomalyLabels
        >>> frames = [(np.float32([0.9, 0.8, 0.7]), AnomalyLabels(np.array([1, 0, 0], np.uint8)))]
        >>> pixel_metrics_of(lambda: frames, POOLED, budget=8 << 20).values["AP"]
        1.0
    """
    check_in_passes(protocol)
    at_once = (budget - 2 * _MIB) // _MIB
    if at_once < 1:
        raise UsageError(
            f"a budget of {budget} bytes is too small; expected {4 * _MIB} or more", "Increase the budget."
        )
    coarse = np.zeros((2, kernels.BUCKETS), np.int64)
    frames = without = void_pixels = 0
    for score, labels in read():
        bits, flat = flatten_scores(score, labels)
        before = int(coarse[ANOMALY].sum())
        void, broken = kernels.count_buckets(bits, flat, coarse, 16)
        check_nan(broken, flat.size - void)
        frames, void_pixels = frames + 1, void_pixels + void
        without += int(coarse[ANOMALY].sum()) == before
    totals = Totals(frames, without, int(coarse[ANOMALY].sum()), int(coarse[IN_DISTRIBUTION].sum()), void_pixels)
    summation = Summation(totals.positive, totals.negative, protocol.tpr)
    buckets = np.flatnonzero(coarse[ANOMALY])[::-1]
    higher = np.concatenate([coarse[IN_DISTRIBUTION][::-1].cumsum()[::-1], [0]])
    for start in range(0, buckets.size, at_once):
        group = buckets[start : start + at_once]
        for bucket, counted in zip(group, _count_low_halves(read, group), strict=True):
            summation.add(_bucket_points(int(bucket), counted, int(higher[bucket + 1])))
            del counted  # a view of the whole table, which must be freed before the next one is allocated
    return _metrics(summation, totals, protocol)


def _count_low_halves(read: Source, group: NDArray[np.intp]) -> NDArray[np.int64]:
    """Return int64 [len(group), 2, 65536], the pixels of these buckets by label and by the low half of their key."""
    slot = np.full(kernels.BUCKETS, -1, np.int32)
    slot[group] = np.arange(group.size)
    low = np.zeros((group.size, 2, kernels.BUCKETS), np.int64)
    for score, labels in read():
        kernels.count_low(*flatten_scores(score, labels), slot, low, 16)
    return low


_MIB = 1 << 20


def check_in_passes(protocol: Protocol) -> None:
    """Raise if a protocol can't be computed in several passes.

    Raises:
        UsageError: The protocol is not `Protocol.is_pooled`.
    """
    if not protocol.is_pooled:
        raise UsageError(f"the protocol {protocol.name} can't be computed in passes", "Use the protocol 'pooled'.")


def undefined_reasons(positive: int, negative: int, protocol: Protocol) -> dict[str, str]:
    """Return metric -> the reason why it is undefined; empty if all are defined."""
    if positive == 0:
        return dict.fromkeys(protocol.pixel_metrics, "no anomalous pixel among the valid ones")
    if negative == 0:
        return dict.fromkeys(protocol.pixel_metrics[1:], "no in-distribution pixel among the valid ones")
    return {}


def _bucket_points(bucket: int, counted: NDArray[np.int64], higher: int) -> CurvePoints:
    """Return the points of one bucket from its table [2, 2^16]; `higher` in-distribution pixels are above it."""
    low = np.flatnonzero(counted[ANOMALY])[::-1]
    normal = counted[IN_DISTRIBUTION]
    above = higher + np.concatenate([normal[::-1].cumsum()[::-1], [0]])[low + 1]
    return CurvePoints((bucket << 16 | low).astype(np.uint32), counted[ANOMALY][low], above, normal[low])


def _metrics(summation: Summation, totals: Totals, protocol: Protocol) -> PixelMetrics:
    numbers = (summation.average_precision, summation.fpr, summation.auroc)
    threshold = scores_of(np.array([summation.best_f1_key], np.uint32))[0]
    return PixelMetrics(
        values=dict(zip(protocol.pixel_metrics, numbers, strict=True)),
        undefined=undefined_reasons(totals.positive, totals.negative, protocol),
        counts={
            "frames": totals.frames,
            "frames_without_anomaly": totals.without_anomaly,
            "anomaly_pixels": totals.positive,
            "in_distribution_pixels": totals.negative,
            "void_pixels": totals.void,
        },
        best_f1=summation.best_f1 if totals.positive else math.nan,
        best_f1_threshold=float(threshold) if totals.positive else math.nan,
        largest_tie=summation.largest_tie / max(totals.positive + totals.negative, 1),
    )
