"""Brackets, which contain the exact value for all scores and are as narrow as possible."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oodbench.errors import ScoreError, UsageError
from oodbench.metrics import (
    POOLED,
    PROTOCOLS,
    BucketCounts,
    PixelBrackets,
    PixelCounts,
    PixelMetrics,
    pixel_brackets,
    pixel_metrics,
)
from oodbench.types import AnomalyLabels


def frame(score: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, AnomalyLabels]:
    return np.atleast_2d(score).astype(np.float32), AnomalyLabels(np.atleast_2d(label).astype(np.uint8))


def both(score: np.ndarray, label: np.ndarray, bits: int = 16) -> tuple[PixelBrackets, PixelMetrics]:
    buckets, counts = BucketCounts(bits), PixelCounts(compiled=False)
    buckets.update(*frame(score, label))
    counts.update(*frame(score, label))
    return pixel_brackets(buckets, POOLED), pixel_metrics(counts, POOLED)


# Scores in few buckets, in every order within a bucket.
near = st.integers(0, 40).map(lambda step: 1.0 + step * 2.0**-12)
scores = st.lists(near | st.floats(-2, 2, width=32) | st.sampled_from([-math.inf, 0.0, -0.0, math.inf]), min_size=2)


@given(scores, st.sampled_from([12, 13, 16, 19]), st.data())
def test_brackets_contain_the_exact_value(values: list[float], bits: int, data: st.DataObject) -> None:
    score = np.array(values, np.float32)
    labels = st.lists(st.sampled_from([0, 1, 255]), min_size=len(values), max_size=len(values))
    label = np.array(data.draw(labels.filter(lambda drawn: 0 in drawn and 1 in drawn)), np.uint8)
    brackets, exact = both(score, label, bits)
    for name, value in exact.values.items():
        assert 0 <= brackets.low[name] <= value <= brackets.high[name] <= 1, name


def worst_and_best(groups: list[tuple[int, int]], best: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return scores of buckets of (anomalous, in-distribution) pixels, in the best and in the worst order."""
    score, label = [], []
    for index, (p, n) in enumerate(groups):
        top = 2.0**-index
        if best:
            score += [top * (1 + 2**-8)] * p + [top] * n
        else:
            score += [top * (1 + i * 2**-20) for i in range(p)] + [top * (1 + 2**-8)] * n
        label += [1] * p + [0] * n
    return np.array(score, np.float32), np.array(label, np.uint8)


@pytest.mark.parametrize("best", [True, False])
def test_the_ends_of_brackets_are_reachable(best: bool) -> None:
    groups = [(30, 4), (12, 0), (0, 7), (25, 40), (3, 100)]
    brackets, exact = both(*worst_and_best(groups, best))
    other, _ = both(*worst_and_best(groups, not best))
    assert brackets == other
    ends = {
        "AP": brackets.high if best else brackets.low,
        "FPR95": brackets.low if best else brackets.high,
        "AUROC": brackets.high if best else brackets.low,
    }
    for name, end in ends.items():
        # An integral bounds the lower end of AP, slightly below the sum.
        assert end[name] == pytest.approx(exact.values[name], abs=2e-3 if (name, best) == ("AP", False) else 2e-12)
    assert brackets.high["AP"] - brackets.low["AP"] > 0.1


def test_more_bits_narrow_the_brackets() -> None:
    rng = np.random.default_rng(2)
    label = (rng.random(200_000) < 0.01).astype(np.uint8)
    score = (rng.normal(size=label.size) + 1.5 * label).astype(np.float32)
    widths = []
    for bits in (13, 16, 19):
        brackets, exact = both(score, label, bits)
        assert all(brackets.low[name] <= value <= brackets.high[name] for name, value in exact.values.items())
        widths.append(max(brackets.high[name] - brackets.low[name] for name in exact.values))
    assert widths[0] > 4 * widths[1] > 16 * widths[2]
    assert widths[1] < 0.01


def test_merged_states_equal_the_whole() -> None:
    rng = np.random.default_rng(4)
    score, label = rng.normal(size=3000).astype(np.float32), rng.integers(0, 2, 3000)
    whole, parts = BucketCounts(), []
    whole.update(*frame(score, label))
    for chunk in np.array_split(rng.permutation(3000), 5):
        parts.append(BucketCounts())
        parts[-1].update(*frame(score[chunk], label[chunk]))
    parts[0].merge(parts[1:])
    assert pixel_brackets(parts[0], POOLED) == pixel_brackets(whole, POOLED)
    with pytest.raises(UsageError, match="buckets of 19 bits can't be added to buckets of 16"):
        whole.merge([BucketCounts(19)])


def test_undefined_metrics_are_nan_with_a_reason() -> None:
    brackets, exact = both(np.arange(4.0), np.zeros(4))
    assert brackets.undefined == exact.undefined
    assert all(map(math.isnan, (*brackets.low.values(), *brackets.high.values())))


def test_invalid_input_is_an_error() -> None:
    with pytest.raises(UsageError, match="expected 12 to 24"):
        BucketCounts(32)
    with pytest.raises(UsageError, match="caos"):
        pixel_brackets(BucketCounts(), PROTOCOLS["caos"])
    with pytest.raises(ScoreError, match="1 of 2 valid pixels score NaN"):
        BucketCounts().update(*frame(np.array([0.0, np.nan]), np.array([0, 1])))
