"""Closed-set quality: cases by hand, comparison with scikit-learn and with the definition of ECE."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, jaccard_score

from oodbench.metrics import ConfusionMatrix, Reliability
from oodbench.types import CITYSCAPES_19, SemanticLabels


def make_labels(values: np.ndarray) -> SemanticLabels:
    return SemanticLabels(values.astype(np.uint8), CITYSCAPES_19)


def test_miou_equals_a_case_computed_by_hand() -> None:
    confusion = ConfusionMatrix(19)
    confusion.update(np.array([[0, 1, 1, 5]], np.uint8), make_labels(np.array([[0, 0, 1, 255]])))
    # Class 0: 1 of 2. Class 1: 1 of 2. The void pixel and absent classes do not count.
    assert confusion.miou() == pytest.approx(0.5)
    assert confusion.iou()[:2].tolist() == [0.5, 0.5]
    assert np.isnan(confusion.iou()[2:]).all()
    assert confusion.accuracy() == 2 / 3
    assert np.isnan(ConfusionMatrix(19).miou())
    assert np.isnan(ConfusionMatrix(19).accuracy())


def test_quality_over_frames_equals_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    labels, predictions = rng.integers(0, 19, (2, 3, 40, 50)).astype(np.uint8)
    labels[:, :5] = 255
    confusion = ConfusionMatrix(19)
    for label, prediction in zip(labels, predictions, strict=True):
        confusion.update(prediction, make_labels(label))
    true, guess = labels[labels != 255], predictions[labels != 255]
    assert (confusion.counts == confusion_matrix(true, guess, labels=range(19))).all()
    assert confusion.iou() == pytest.approx(jaccard_score(true, guess, average=None), abs=1e-15)
    assert confusion.miou() == pytest.approx(jaccard_score(true, guess, average="macro"), abs=1e-15)
    assert confusion.accuracy() == pytest.approx(accuracy_score(true, guess), abs=1e-15)


def literal_ece(confidence: np.ndarray, right: np.ndarray, bins: int) -> float:
    edges, error = np.linspace(0, 1, bins + 1), 0.0
    for low, high in itertools.pairwise(edges):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            error += inside.mean() * abs(right[inside].mean() - confidence[inside].astype(np.float64).mean())
    return error


@given(
    st.lists(st.floats(1 / 32, 1, width=32) | st.sampled_from([0.25, 0.5, 1.0]), min_size=1, max_size=40),
    st.sampled_from([4, 15]),
    st.randoms(use_true_random=False),
)
def test_ece_equals_the_definition_for_any_split_into_frames(values: list[float], bins: int, random: object) -> None:
    confidence = np.array(values, np.float32)
    right = np.array([random.random() < value for value in values])  # type: ignore[attr-defined]
    found = Reliability(bins)
    for part in np.array_split(np.arange(len(values)), 3):
        prediction = np.where(right[part], 7, 8).astype(np.uint8)[None]
        found.update(confidence[part][None], prediction, make_labels(np.full((1, part.size), 7)))
    assert found.expected_calibration_error() == pytest.approx(literal_ece(confidence, right, bins), abs=1e-12)
    assert found.mean_confidence() == pytest.approx(confidence.astype(np.float64).mean(), abs=1e-12)
    assert found.pixels.sum() == len(values)


def test_void_is_ignored_and_empty_input_gives_nan() -> None:
    found = Reliability()
    assert np.isnan(found.expected_calibration_error())
    assert np.isnan(found.mean_confidence())
    found.update(np.array([[0.8, 0.1]], np.float32), np.array([[3, 3]], np.uint8), make_labels(np.array([[3, 255]])))
    assert found.expected_calibration_error() == pytest.approx(0.2)
    assert found.mean_confidence() == pytest.approx(0.8)


def test_a_nan_confidence_gives_nan() -> None:
    found = Reliability()
    found.update(np.array([[0.8, np.nan]], np.float32), np.array([[3, 3]], np.uint8), make_labels(np.array([[3, 3]])))
    assert np.isnan(found.mean_confidence())
