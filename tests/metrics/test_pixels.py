"""Exact metrics compared with brute force, scikit-learn and the outputs of published evaluators."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from oodbench.errors import ScoreError, UsageError
from oodbench.metrics import POOLED, PixelCounts, PixelMetrics, pixel_metrics, pixel_metrics_of
from oodbench.types import AnomalyLabels

GOLDEN = Path(__file__).parents[1] / "golden"


def frame(score: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, AnomalyLabels]:
    return np.atleast_2d(score).astype(np.float32), AnomalyLabels(np.atleast_2d(label).astype(np.uint8))


def count_pixels(score: np.ndarray, label: np.ndarray, compiled: bool = True) -> PixelCounts:
    counts = PixelCounts(compiled)
    counts.update(*frame(score, label))
    return counts


def measure_pooled(score: np.ndarray, label: np.ndarray, compiled: bool = True) -> PixelMetrics:
    return pixel_metrics(count_pixels(score, label, compiled), POOLED)


def brute_force(score: np.ndarray, label: np.ndarray) -> dict[str, float]:
    """Compute the metrics by their definitions, threshold by threshold."""
    positive, negative = score[label == 1], score[label == 0]
    ap = previous = 0.0
    fpr = None
    for threshold in sorted(set(score[label != 255]), reverse=True):
        true, false = int((positive >= threshold).sum()), int((negative >= threshold).sum())
        recall = true / len(positive)
        ap += (recall - previous) * true / (true + false)
        previous = recall
        if fpr is None and recall >= 0.95:
            fpr = false / len(negative)
    pairs = [(p > n) + 0.5 * (p == n) for p in positive for n in negative]
    assert fpr is not None
    return {"AP": ap, "FPR95": fpr, "AUROC": float(np.mean(pairs))}


scores = st.lists(
    st.sampled_from([-math.inf, -1.5, -0.0, 0.0, 0.25, 0.5, 1.0, math.inf]) | st.floats(-2, 2, width=32),
    min_size=2,
    max_size=60,
)


@given(scores, st.data())
def test_metrics_equal_the_definitions(values: list[float], data: st.DataObject) -> None:
    score = np.array(values, np.float32)
    labels = st.lists(st.sampled_from([0, 1, 255]), min_size=len(values), max_size=len(values))
    label = np.array(data.draw(labels.filter(lambda drawn: 0 in drawn and 1 in drawn)), np.uint8)
    compiled, plain = measure_pooled(score, label), measure_pooled(score, label, compiled=False)
    assert compiled == plain
    assert pixel_metrics_of(lambda: [frame(score, label)], POOLED, 4 << 20) == compiled
    for name, value in brute_force(score, label).items():
        assert compiled.values[name] == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("levels", [None, 50, 3])
def test_metrics_equal_scikit_learn(levels: int | None) -> None:
    rng = np.random.default_rng(1)
    label = (rng.random(100_000) < 0.02).astype(np.uint8)
    score = (rng.normal(size=label.size) + 1.5 * label).astype(np.float32)
    if levels:
        score = (np.round(score * levels) / levels).astype(np.float32)
    fpr, tpr, _ = roc_curve(label, score, drop_intermediate=False)
    found = measure_pooled(score, label).values
    assert found["AP"] == pytest.approx(average_precision_score(label, score), abs=1e-12)
    assert found["AUROC"] == pytest.approx(roc_auc_score(label, score), abs=1e-12)
    assert found["FPR95"] == pytest.approx(fpr[np.searchsorted(tpr, 0.95)], abs=1e-12)


def test_metrics_equal_the_evaluators_of_fishyscapes_and_bdlb() -> None:
    arrays = np.load(GOLDEN / "pixel_metrics.npz")
    golden = json.loads((GOLDEN / "pixel_metrics.json").read_text())
    for name, frames in golden["frame_sets"].items():
        counts = PixelCounts()
        for index in frames:
            counts.update(arrays[f"score_{index}"], AnomalyLabels(arrays[f"label_{index}"]))
        found = pixel_metrics(counts, POOLED).values
        for evaluator in (golden["results"][name][key] for key in ("fishyscapes", "bdlb")):
            for metric, value in evaluator.items():
                assert found[metric] == pytest.approx(value, abs=1e-12)


@given(scores, st.integers(1, 5), st.randoms())
def test_merged_shards_equal_the_whole_in_any_order(values: list[float], parts: int, random: object) -> None:
    score = np.array(values, np.float32)
    label = np.arange(len(values), dtype=np.uint8) % 2
    shards = [
        PixelCounts.from_arrays(count_pixels(score[chunk], label[chunk]).arrays())
        for chunk in np.array_split(np.arange(len(values)), parts)
    ]
    random.shuffle(shards)  # type: ignore[attr-defined]
    whole = PixelCounts()
    whole.merge(shards)
    merged = pixel_metrics(whole, POOLED)
    alone = measure_pooled(score, label)
    assert merged.values == alone.values
    assert (merged.best_f1, merged.best_f1_threshold) == (alone.best_f1, alone.best_f1_threshold)


@given(scores)
def test_a_monotone_map_of_the_scores_changes_nothing(values: list[float]) -> None:
    score = np.array(values, np.float32)
    label = np.arange(len(values), dtype=np.uint8) % 2
    # Ranks are a strictly monotone map, and float32 represents them exactly.
    ranks = np.unique(score, return_inverse=True)[1].astype(np.float32)
    assert measure_pooled(score, label).values == measure_pooled(ranks, label).values
    # A map that uses all 32 bits moves the scores out of half precision, so that another counter is used.
    spread = (ranks * np.float32(1.2345678)).astype(np.float32)
    assert measure_pooled(score, label).values == measure_pooled(spread, label).values


def test_undefined_metrics_are_nan_with_a_reason() -> None:
    none_anomalous = measure_pooled(np.arange(4.0), np.zeros(4))
    assert all(math.isnan(value) for value in none_anomalous.values.values())
    assert set(none_anomalous.undefined) == {"AP", "FPR95", "AUROC"}
    assert none_anomalous.counts["frames_without_anomaly"] == 1
    assert math.isnan(none_anomalous.best_f1)
    all_anomalous = measure_pooled(np.arange(4.0), np.ones(4))
    assert all_anomalous.values["AP"] == 1.0
    assert set(all_anomalous.undefined) == {"FPR95", "AUROC"}


def test_void_pixels_are_only_counted() -> None:
    label = np.array([0, 1, 255, 255])
    found = measure_pooled(np.array([0.0, 1.0, 9.0, np.nan]), label)
    assert found.values == {"AP": 1.0, "FPR95": 0.0, "AUROC": 1.0}
    assert found.counts["void_pixels"] == 2


def test_nan_scores_of_valid_pixels_are_errors() -> None:
    with pytest.raises(ScoreError, match="1 of 2 valid pixels score NaN"):
        measure_pooled(np.array([0.0, np.nan]), np.array([0, 1]))


def test_a_wrong_shape_or_dtype_is_an_error() -> None:
    labels = AnomalyLabels(np.zeros((2, 2), np.uint8))
    with pytest.raises(ScoreError, match="expected the same"):
        PixelCounts().update(np.zeros((2, 3), np.float32), labels)
    with pytest.raises(ScoreError, match="expected float32"):
        PixelCounts().update(np.zeros((2, 2)), labels)  # type: ignore[arg-type]


def test_frames_of_both_precisions_are_pooled() -> None:
    rng = np.random.default_rng(5)
    frames = []
    for index in range(6):
        score = rng.normal(size=(20, 30)).astype(np.float32)
        if index % 2:
            score = score.astype(np.float16).astype(np.float32)
        frames.append((score, AnomalyLabels((rng.random((20, 30)) < 0.1).astype(np.uint8))))
    counts, plain = PixelCounts(), PixelCounts(compiled=False)
    for score, labels in frames:
        counts.update(score, labels)
        plain.update(score, labels)
    found = pixel_metrics(counts, POOLED)
    assert found == pixel_metrics(plain, POOLED)
    score = np.concatenate([score.ravel() for score, _ in frames])
    label = np.concatenate([labels.values.ravel() for _, labels in frames])
    assert found.values["AP"] == pytest.approx(average_precision_score(label, score), abs=1e-12)
    assert found.values["AUROC"] == pytest.approx(roc_auc_score(label, score), abs=1e-12)
    again = pixel_metrics(PixelCounts.from_arrays(counts.arrays()), POOLED)
    assert again == found


@pytest.mark.slow
@pytest.mark.parametrize("budget", [4 << 20, 16 << 20, 1 << 30])
def test_any_budget_gives_equal_metrics(budget: int) -> None:
    rng = np.random.default_rng(6)
    frames = [
        (rng.normal(size=(40, 50)).astype(np.float32), AnomalyLabels((rng.random((40, 50)) < 0.1).astype(np.uint8)))
        for _ in range(4)
    ]
    passes = []

    def read() -> list[tuple[np.ndarray, AnomalyLabels]]:
        passes.append(1)
        return frames

    counts = PixelCounts()
    for score, labels in frames:
        counts.update(score, labels)
    assert pixel_metrics_of(read, POOLED, budget) == pixel_metrics(counts, POOLED)
    assert len(passes) > (2 if budget < 1 << 30 else 1)


def test_a_budget_that_is_too_small_is_an_error() -> None:
    with pytest.raises(UsageError, match="expected 4194304 or more"):
        pixel_metrics_of(list, POOLED, 1000)


def test_best_f1_equals_the_definition() -> None:
    rng = np.random.default_rng(8)
    label = (rng.random(3000) < 0.1).astype(np.uint8)
    score = (rng.normal(size=3000) + label).astype(np.float32)
    found = measure_pooled(score, label)
    options = {t: 2 * (label[score >= t] == 1).sum() / ((score >= t).sum() + label.sum()) for t in score[label == 1]}
    assert found.best_f1 == pytest.approx(max(options.values()), abs=1e-12)
    assert options[np.float32(found.best_f1_threshold)] == pytest.approx(found.best_f1, abs=1e-12)


def test_saturated_scores_cause_a_warning() -> None:
    label = np.array([0, 0, 0, 1, 1])
    assert measure_pooled(np.array([0.1, 0.9, 0.9, 0.9, 0.5]), label).largest_tie == pytest.approx(0.6)
    # A tie without anomalous pixels changes no metric.
    assert measure_pooled(np.array([0.1, 0.1, 0.1, 0.9, 0.5]), label).largest_tie == pytest.approx(0.2)
