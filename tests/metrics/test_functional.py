"""Metrics in one call: comparison with scikit-learn and brute force, properties, and invalid input."""

from __future__ import annotations

import doctest
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from oodbench.errors import ScoreError, UsageError
from oodbench.metrics import (
    UndefinedMetricWarning,
    auroc,
    average_precision,
    best_f1,
    component_f1,
    fpr_at_tpr,
    functional,
)

Frames = tuple[NDArray[np.float32], NDArray[np.uint8]]
PIXEL_METRICS: list[Callable[..., float]] = [average_precision, fpr_at_tpr, auroc, best_f1]


def sample(seed: int, shape: tuple[int, ...] = (40, 50)) -> Frames:
    """Create scores with many ties; a tenth of the pixels are void and an eighth anomalous."""
    rng = np.random.default_rng(seed)
    labels = rng.choice([0, 1, 255], shape, p=[0.775, 0.125, 0.1]).astype(np.uint8)
    scores = (np.round(rng.normal(size=shape) + (labels == 1), 1)).astype(np.float32)
    return scores, labels


def select_valid(scores: NDArray[Any], labels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    return scores[labels != 255], labels[labels != 255]


def brute_force_fpr(scores: NDArray[Any], labels: NDArray[Any], tpr: float) -> float:
    for threshold in sorted(set(scores.tolist()), reverse=True):
        called = scores >= threshold
        if (called & (labels == 1)).sum() / (labels == 1).sum() >= tpr:
            return float((called & (labels == 0)).sum() / (labels == 0).sum())
    raise AssertionError("the lowest threshold reaches every rate")


@pytest.mark.parametrize("seed", range(5))
def test_ap_and_auroc_equal_scikit_learn_on_scores_with_ties(seed: int) -> None:
    scores, labels = sample(seed)
    known, truth = select_valid(scores, labels)
    assert average_precision(scores, labels) == pytest.approx(average_precision_score(truth, known), abs=1e-12)
    assert auroc(scores, labels) == pytest.approx(roc_auc_score(truth, known), abs=1e-12)
    largest = max(f1_score(truth, known >= threshold) for threshold in np.unique(known))
    assert best_f1(scores, labels) == pytest.approx(largest, abs=1e-12)


@pytest.mark.parametrize("tpr", [0.05, 0.5, 0.8, 0.95, 1.0])
def test_the_false_positive_rate_equals_brute_force(tpr: float) -> None:
    scores, labels = sample(3)
    assert fpr_at_tpr(scores, labels, tpr) == brute_force_fpr(*select_valid(scores, labels), tpr)


def brute_force_f1(predicted: NDArray[np.bool_], labels: NDArray[np.uint8], smallest: int) -> float:
    """Compute F1* of one frame without small objects, object by object and prediction by prediction."""
    objects, predictions = ([part == n for n in range(1, part.max() + 1)] for part in (
        ndimage.label(labels == 1, np.ones((3, 3)))[0], ndimage.label(predicted & (labels != 255), np.ones((3, 3)))[0],
    ))  # fmt: skip
    predictions = [prediction for prediction in predictions if prediction.sum() >= smallest]
    siou = []
    for one in objects:
        touching = sum([p for p in predictions if (p & one).any()], np.zeros(labels.shape, bool))
        union = (one | touching).sum() - (touching & ~one & (labels == 1)).sum()
        siou.append((one & touching).sum() / union)
    ppv = [(prediction & (labels == 1)).sum() / prediction.sum() for prediction in predictions]
    scores = []
    for tau in np.linspace(0.25, 0.75, 11):
        tp, fp = sum(value >= tau for value in siou), sum(value < tau for value in ppv)
        scores.append(2 * tp / (2 * tp + len(siou) - tp + fp))
    return float(np.mean(scores))


@pytest.mark.parametrize("seed", range(5))
def test_component_f1_equals_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.zeros((60, 80), np.uint8)
    for top, left in rng.integers(0, 50, (4, 2)):
        labels[top : top + 10, left : left + 12] = 1
    labels[:, 70:73] = 255
    scores = ndimage.gaussian_filter((labels == 1) + rng.normal(size=labels.shape), 2).astype(np.float32)
    measured = component_f1(scores, labels, threshold=0.3, smallest_object=1, smallest_prediction=5)
    assert measured == pytest.approx(brute_force_f1(scores >= 0.3, labels, 5), abs=1e-12)
    assert 0 < measured < 1


def test_component_f1_uses_the_threshold_of_the_best_f1() -> None:
    labels = np.zeros((40, 60), np.uint8)
    labels[5:15, 5:25] = 1
    scores = np.where(labels, np.float32(2), np.float32(0))
    scores[30:, 40:] = 1  # a false component at this threshold or below it
    assert component_f1(scores, labels, smallest_prediction=50) == 1.0
    assert component_f1(scores, labels, 1.0, smallest_prediction=50) == pytest.approx(2 / 3)


# Properties


@st.composite
def frames(draw: st.DrawFn) -> Frames:
    size = draw(st.integers(2, 60))
    scores = draw(arrays(np.float32, size, elements=st.sampled_from([-2.0, -0.5, 0.0, 0.25, 1.0, 7.5])))
    labels = draw(arrays(np.uint8, size, elements=st.sampled_from([0, 1, 255])))
    labels[:2] = (0, 1)
    return scores, labels


@settings(max_examples=25)
@given(frames(), st.sampled_from(PIXEL_METRICS))
def test_monotone_maps_change_nothing(pixels: Frames, metric: Callable[..., float]) -> None:
    scores, labels = pixels
    assert metric(np.arctan(scores), labels) == metric(scores, labels)
    assert metric(1e6 * scores - 3, labels) == metric(scores, labels)


@settings(max_examples=25)
@given(frames(), st.sampled_from(PIXEL_METRICS), st.randoms(use_true_random=False))
def test_the_order_of_pixels_changes_nothing(pixels: Frames, metric: Callable[..., float], random: Any) -> None:
    scores, labels = pixels
    order = random.sample(range(len(scores)), len(scores))
    assert metric(scores[order], labels[order]) == metric(scores, labels)


@settings(max_examples=25)
@given(frames(), st.sampled_from(PIXEL_METRICS), st.lists(st.integers(0, 60), max_size=3))
def test_splitting_into_frames_changes_nothing(pixels: Frames, metric: Callable[..., float], cuts: list[int]) -> None:
    scores, labels = pixels
    parts = [np.split(values, sorted(cuts)) for values in (scores, labels)]
    assert metric(*parts) == metric(scores, labels)


@settings(max_examples=25)
@given(frames())
def test_reversed_scores_mirror_auroc(pixels: Frames) -> None:
    scores, labels = pixels
    assert auroc(-scores, labels) == pytest.approx(1 - auroc(scores, labels), abs=1e-12)


# Dtypes and invalid input


@pytest.mark.parametrize("metric", [*PIXEL_METRICS, component_f1])
def test_dtypes_with_equal_values_give_equal_metrics(metric: Callable[..., float]) -> None:
    scores, labels = sample(1)
    labels[labels == 255] = 0
    labels[5:20, 5:20] = 1  # an object
    scores = np.round(4 * scores) / 4
    expected = metric(scores, labels)
    assert metric(scores.astype(np.float64), labels.astype(bool)) == expected
    assert metric(scores.astype(np.float16), labels.astype(np.int64)) == expected
    assert metric([scores], [labels]) == expected
    if metric is not component_f1:  # needs whole frames
        assert metric(scores.tolist(), labels.tolist()) == expected


@pytest.mark.parametrize("metric", [*PIXEL_METRICS, component_f1])
def test_invalid_scores_and_labels_are_errors(metric: Callable[..., float]) -> None:
    scores, labels = sample(1)
    with pytest.raises(ScoreError, match=r"\(40, 50\) and their labels are \(20, 50\)"):
        metric(scores, labels[:20])
    with pytest.raises(ScoreError, match="the value 2; expected 0"):
        metric(scores, np.where(labels == 1, 2, labels))
    with pytest.raises(ScoreError, match=r"float64, and 1 of .* valid ones are not representable in float32"):
        metric(np.where(np.arange(scores.size).reshape(scores.shape) == np.argmax(labels == 0), 0.1, 0.0), labels)
    with pytest.raises(ScoreError, match="complex128; expected float32"):
        metric(scores.astype(complex), labels)
    with pytest.raises(ScoreError, match="1 of 2 valid pixels score NaN"):
        metric(np.array([[np.nan, 1]], np.float32), np.array([[0, 1]]))
    with pytest.raises(ScoreError, match="2 frames of scores and 1 of labels"):
        metric([scores, scores], labels)


def test_scores_of_void_pixels_are_ignored() -> None:
    scores, labels = np.array([0.5, np.nan, 0.1, 1.0]), np.array([0, 255, 255, 1])
    assert auroc(scores, labels) == 1.0


@pytest.mark.parametrize("tpr", [0.0, -0.5, 1.5, math.nan])
def test_a_rate_out_of_range_is_an_error(tpr: float) -> None:
    with pytest.raises(UsageError, match="expected above 0 and at most 1"):
        fpr_at_tpr(*sample(0), tpr)


def test_component_f1_needs_frames() -> None:
    with pytest.raises(ScoreError, match=r"\(4,\); expected \[H, W\]"):
        component_f1(np.zeros(4, np.float32), np.array([0, 1, 0, 1]))


@pytest.mark.parametrize("metric", [*PIXEL_METRICS, component_f1])
def test_metrics_without_anomalies_are_nan_with_a_reason(metric: Callable[..., float]) -> None:
    with pytest.warns(UndefinedMetricWarning, match="is undefined: no anomalous pixel among the valid ones") as caught:
        assert math.isnan(metric(np.zeros((3, 4), np.float32), np.zeros((3, 4), np.uint8)))
    assert caught[0].filename == __file__
    with pytest.warns(UndefinedMetricWarning):
        assert math.isnan(metric([], []))


@pytest.mark.parametrize("metric", [fpr_at_tpr, auroc])
def test_without_in_distribution_pixels_rates_are_nan(metric: Callable[..., float]) -> None:
    with pytest.warns(UndefinedMetricWarning, match="no in-distribution pixel"):
        assert math.isnan(metric(np.zeros(4, np.float32), np.ones(4, np.uint8)))


def test_defined_metrics_raise_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for metric in PIXEL_METRICS:
            assert 0 <= metric(*sample(2)) <= 1


def test_the_docstring_examples_run() -> None:
    done = doctest.testmod(functional)
    assert done.failed == 0
    assert done.attempted >= 5 * 4
