"""Brackets, which contain the exact value for all scores and are as narrow as possible."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oodbench.contracts import Calibration
from oodbench.errors import ScoreError, UsageError
from oodbench.metrics import (
    POOLED,
    PROTOCOLS,
    BucketCounts,
    Buckets,
    PixelBrackets,
    PixelCounts,
    PixelMetrics,
    pixel_brackets,
    pixel_metrics,
)
from oodbench.types import AnomalyLabels

EVEN = Buckets.even(16)


def frame(score: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, AnomalyLabels]:
    return np.atleast_2d(score).astype(np.float32), AnomalyLabels(np.atleast_2d(label).astype(np.uint8))


def both(score: np.ndarray, label: np.ndarray, buckets: Buckets = EVEN) -> tuple[PixelBrackets, PixelMetrics]:
    counted, counts = BucketCounts(buckets), PixelCounts(compiled=False)
    counted.update(*frame(score, label))
    counts.update(*frame(score, label))
    return pixel_brackets(counted, POOLED), pixel_metrics(counts, POOLED)


# Scores in few buckets, in every order within a bucket.
near = st.integers(0, 40).map(lambda step: 1.0 + step * 2.0**-12)
scores = st.lists(near | st.floats(-2, 2, width=32) | st.sampled_from([-math.inf, 0.0, -0.0, math.inf]), min_size=2)


# Edges between the scores above, so that some buckets hold a single score, and others many.
placed = Calibration(np.linspace(0, 1, 6), np.array([-2, 0, 0, 1 + 2.0**-12, 1 + 9 * 2.0**-12, 2], np.float32), "")
BUCKETS = [Buckets.even(12), Buckets.even(13), EVEN, Buckets.even(19), Buckets.calibrated(placed)]


@given(scores, st.sampled_from(BUCKETS), st.data())
def test_brackets_contain_the_exact_value(values: list[float], buckets: Buckets, data: st.DataObject) -> None:
    score = np.array(values, np.float32)
    labels = st.lists(st.sampled_from([0, 1, 255]), min_size=len(values), max_size=len(values))
    label = np.array(data.draw(labels.filter(lambda drawn: 0 in drawn and 1 in drawn)), np.uint8)
    brackets, exact = both(score, label, buckets)
    for name, value in exact.values.items():
        assert 0 <= brackets.low[name] <= value <= brackets.high[name] <= 1, name
    assert brackets.counts == exact.counts
    assert brackets.largest_tie <= exact.largest_tie


def worst_or_best(groups: list[tuple[int, int]], best: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return scores of buckets of (anomalous, in-distribution) pixels, in the best or in the worst order.

    In each bucket, the scores of one pixel of each label are out of order, so that the ranges of the labels overlap.
    """
    score, label = [], []
    for index, (p, n) in enumerate(groups):
        top = 2.0**-index
        high, middle, low = top * (1 + 3 * 2**-10), top * (1 + 2**-9), top
        if best:
            ranked = [*[middle] * (p - 1), low][-p:] + [high, *[top * (1 + 2**-10)] * (n - 1)][:n]
        else:
            distinct = [top * (1 + 2**-10 + i * 2**-22) for i in range(p - 1)]
            ranked = [high, *distinct][:p] + [*[middle] * (n - 1), low][-n:]
        score += ranked[: p + n]
        label += [1] * p + [0] * n
    return np.array(score, np.float32), np.array(label, np.uint8)


@pytest.mark.parametrize("best", [True, False])
def test_the_ends_of_brackets_are_reachable(best: bool) -> None:
    groups = [(3000, 400), (1200, 1), (1, 700), (2500, 4000), (300, 10000)]
    brackets, exact = both(*worst_or_best(groups, best))
    ends = {
        "AP": brackets.high if best else brackets.low,
        "FPR95": brackets.low if best else brackets.high,
        "AUROC": brackets.high if best else brackets.low,
    }
    for name, end in ends.items():
        assert end[name] == pytest.approx(exact.values[name], abs=2e-3)
    assert brackets.high["AP"] - brackets.low["AP"] > 0.1


def test_more_bits_narrow_the_brackets() -> None:
    rng = np.random.default_rng(2)
    label = (rng.random(200_000) < 0.01).astype(np.uint8)
    score = (rng.normal(size=label.size) + 1.5 * label).astype(np.float32)
    widths = []
    for bits in (13, 16, 19):
        brackets, exact = both(score, label, Buckets.even(bits))
        assert all(brackets.low[name] <= value <= brackets.high[name] for name, value in exact.values.items())
        widths.append(max(brackets.high[name] - brackets.low[name] for name in exact.values))
    assert widths[0] > 4 * widths[1] > 16 * widths[2]
    assert widths[1] < 0.01


def smooth(rng: np.random.Generator, offset: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Return a smooth score map and labels with one anomalous object."""
    label = np.zeros((256, 512), np.uint8)
    top, left = rng.integers(0, 200), rng.integers(0, 450)
    label[top : top + 40, left : left + 40] = 1
    score = cv2.resize(rng.standard_normal((32, 64)), (512, 256), interpolation=cv2.INTER_CUBIC)
    return (score + offset * label).astype(np.float32), label


def test_calibrated_buckets_are_narrow_where_the_scores_are() -> None:
    rng = np.random.default_rng(7)
    inliers = np.concatenate([score[label == 0] for score, label in (smooth(rng) for _ in range(4))])
    levels = np.concatenate([np.linspace(0, 1, 101)[:-1], [0.999, 0.9999, 1]])
    frames = [smooth(rng) for _ in range(8)]
    score, label = (np.concatenate(part) for part in zip(*frames, strict=True))
    for scale, shift in ((1.0, 0.0), (1e-3, 1.0)):  # even buckets alone are wide at 1 + 1e-3 x
        quantiles = np.quantile(inliers, levels).astype(np.float32)
        calibration = Calibration(levels, np.float32(scale) * quantiles + np.float32(shift), "")
        moved = np.float32(scale) * score + np.float32(shift)
        brackets, exact = both(moved, label, Buckets.calibrated(calibration))
        for name, (low, high) in brackets.bounds().items():
            assert low <= exact.values[name] <= high < low + 2e-5, (scale, name)
    even, _ = both(moved, label, Buckets.even(19))
    assert even.high["AP"] - even.low["AP"] > 1e-3


@pytest.mark.parametrize("kind", ["half precision", "saturating", "constant", "separate"])
def test_equal_and_separate_scores_are_exact(kind: str) -> None:
    score, label = smooth(np.random.default_rng(1))
    if kind == "half precision":
        score = score.astype(np.float16).astype(np.float32)
    elif kind == "saturating":
        score = np.where(label == 1, 1.0, np.minimum(1 / (1 + np.exp(-8 * score)), 1)).astype(np.float32)
    elif kind == "constant":
        score = np.full_like(score, 0.123)
    else:
        score = np.where(label == 1, np.float32(0.75), np.nextafter(np.float32(0.75), np.float32(0)))
    calibration = Calibration(np.linspace(0, 1, 5), np.quantile(score[label == 0], np.linspace(0, 1, 5)), "")
    brackets, exact = both(score, label, Buckets.calibrated(calibration))
    for name, (low, high) in brackets.bounds().items():
        assert low <= exact.values[name] <= high < low + 1e-9, name
    assert brackets.largest_tie == exact.largest_tie
    midpoints = brackets.midpoints()
    assert midpoints.values == pytest.approx(exact.values, abs=1e-9)
    assert math.isnan(midpoints.best_f1)


@pytest.mark.parametrize("quantiles", [[0, 0, 0], [-math.inf, 0, math.inf], [math.inf] * 3, [1e-45, 1e-40, 3e38]])
def test_degenerate_calibrations_place_valid_buckets(quantiles: list[float]) -> None:
    buckets = Buckets.calibrated(Calibration(np.linspace(0, 1, 3), np.array(quantiles, np.float32), ""))
    assert (np.diff(buckets.edges.astype(np.int64)) > 0).all()
    assert 1 << 19 <= buckets.size < 1 << 21
    values = np.array([-math.inf, -3e38, -1, -1e-45, -0.0, 0, 1e-45, 1, 3e38, math.inf], np.float32)
    brackets, exact = both(values, np.arange(10) % 2, buckets)
    assert all(low <= exact.values[name] <= high for name, (low, high) in brackets.bounds().items())


@pytest.mark.parametrize("buckets", [EVEN, BUCKETS[-1]])
def test_merged_states_equal_the_whole(buckets: Buckets) -> None:
    rng = np.random.default_rng(4)
    score, label = rng.normal(size=3000).astype(np.float32), rng.choice([0, 1, 255], 3000)
    whole = BucketCounts(buckets)
    parts = []
    for chunk in np.array_split(rng.permutation(3000), 5):
        whole.update(*frame(score[chunk], label[chunk]))
        parts.append(BucketCounts(buckets))
        parts[-1].update(*frame(score[chunk], label[chunk]))
    for order in (range(5), [3, 1, 4, 0, 2]):
        merged = BucketCounts(buckets)
        merged.merge(BucketCounts.from_arrays(parts[index].arrays(), buckets) for index in order)
        assert pixel_brackets(merged, POOLED) == pixel_brackets(whole, POOLED)
        for name, array in whole.arrays().items():
            assert array.dtype == merged.arrays()[name].dtype
            assert np.array_equal(array, merged.arrays()[name]), name
    with pytest.raises(UsageError, match="can't be added to counts in 4096 buckets"):
        BucketCounts(Buckets.even(12)).merge([whole])
    with pytest.raises(UsageError, match="not of these 4096 buckets"):
        BucketCounts.from_arrays(whole.arrays(), Buckets.even(12))


def test_counts_of_calibrated_buckets_stay_small() -> None:
    counts = BucketCounts(BUCKETS[-1])
    arrays = (counts.counts, counts.lowest, counts.highest, counts.buckets.edges, counts.buckets.first)
    assert sum(array.nbytes for array in arrays) < 48e6


def test_undefined_metrics_are_nan_with_a_reason() -> None:
    brackets, exact = both(np.arange(4.0), np.zeros(4))
    assert brackets.undefined == exact.undefined
    assert all(map(math.isnan, (*brackets.low.values(), *brackets.high.values())))


def test_invalid_input_is_an_error() -> None:
    with pytest.raises(UsageError, match="expected 12 to 22"):
        Buckets.even(32)
    with pytest.raises(UsageError, match="caos"):
        pixel_brackets(BucketCounts(EVEN), PROTOCOLS["caos"])
    with pytest.raises(ScoreError, match="1 of 2 valid pixels score NaN"):
        BucketCounts(EVEN).update(*frame(np.array([0.0, np.nan]), np.array([0, 1])))
