"""Levels of quantised scores, which count exactly the pixels above a threshold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oodbench.errors import ScoreError, UsageError
from oodbench.metrics import PixelCounts
from oodbench.metrics.counting.quantized_scores import LEVELS, ScoreLevels, choose_levels
from oodbench.types import AnomalyLabels


def test_levels_of_few_pixels_are_exact() -> None:
    levels = ScoreLevels(np.array([-1.0, 0.0, 2.0], np.float32))
    score = np.array([[-2.0, -1.0, -0.5, 0.0], [1.0, 2.0, np.inf, -np.inf]], np.float32)
    labels = AnomalyLabels(np.array([[0, 0, 1, 1], [255, 1, 1, 255]], np.uint8))
    found, counts = levels.of(score, labels)
    assert found.tolist() == [[0, 1, 1, 2], [2, 3, 3, 0]]
    assert counts[:, :4].tolist() == [[1, 1, 0, 0], [0, 1, 1, 2]]
    assert counts[:, 4:].sum() == 0
    assert [levels.at(score) for score in (-1.0, 0.0, 2.0)] == [1, 2, 3]


def test_negative_zero_equals_zero() -> None:
    levels = ScoreLevels(np.array([0.0], np.float32))
    found, _ = levels.of(np.array([[-0.0, 0.0]], np.float32), AnomalyLabels(np.zeros((1, 2), np.uint8)))
    assert found.tolist() == [[1, 1]]


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 3, 1000]), st.floats(0, 1))
def test_a_level_selects_the_pixels_with_at_least_that_score(seed: int, distinct: int, anomalous: float) -> None:
    rng = np.random.default_rng(seed)
    score = rng.normal(size=distinct).astype(np.float32)[rng.integers(0, distinct, (20, 30))]
    labels = AnomalyLabels(np.where(rng.random(score.shape) < anomalous, 1, 0).astype(np.uint8))
    labels.values[0] = 255
    counts = PixelCounts()
    counts.update(score, labels)
    wanted = np.array([0.25, -0.5])
    levels = choose_levels(counts.points(), counts.positive, counts.negative, wanted)
    assert set(wanted.astype(np.float32)) <= set(levels.edges)
    _, counted = levels.of(score, labels)
    for level, edge in enumerate(levels.edges, 1):
        for kind in (0, 1):
            assert counted[kind, level:].sum() == np.sum((score >= edge) & (labels.values == kind))


def test_levels_are_dense_where_scores_are_dense() -> None:
    rng = np.random.default_rng(0)
    score = rng.normal(size=(200, 300)).astype(np.float32)
    labels = AnomalyLabels((rng.random(score.shape) < 0.1).astype(np.uint8))
    counts = PixelCounts()
    counts.update(score + 2 * labels.values, labels)
    levels = choose_levels(counts.points(), counts.positive, counts.negative, np.linspace(0, 1, 60))
    assert 200 < levels.edges.size < LEVELS


def test_invalid_input_is_an_error() -> None:
    with pytest.raises(UsageError, match="256 edges; expected 255 at most, ascending and distinct"):
        ScoreLevels(np.arange(256, dtype=np.float32))
    with pytest.raises(UsageError, match="ascending"):
        ScoreLevels(np.array([1, 0], np.float32))
    with pytest.raises(ScoreError, match="expected the same"):
        ScoreLevels(np.zeros(1, np.float32)).of(np.zeros((2, 2), np.float32), AnomalyLabels(np.zeros((2, 3), np.uint8)))
