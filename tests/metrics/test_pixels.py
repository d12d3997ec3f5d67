"""The exact metrics against a brute force, scikit-learn and the outputs of the field's own evaluators."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from oodbench.errors import ScoreError
from oodbench.metrics import POOLED, PixelMetrics, PixelPool
from oodbench.types import AnomalyLabels

GOLDEN = Path(__file__).parent.parent / "golden"


def pooled(score: np.ndarray, label: np.ndarray) -> PixelMetrics:
    pool = PixelPool()
    pool.update(np.atleast_2d(score).astype(np.float32), AnomalyLabels(np.atleast_2d(label).astype(np.uint8)))
    return pool.metrics(POOLED)


def brute_force(score: np.ndarray, label: np.ndarray) -> dict[str, float]:
    """By the definitions, a threshold at a time."""
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


@settings(deadline=None)
@given(scores, st.data())
def test_equals_the_definitions(values: list[float], data: st.DataObject) -> None:
    score = np.array(values, np.float32)
    labels = st.lists(st.sampled_from([0, 1, 255]), min_size=len(values), max_size=len(values))
    label = np.array(data.draw(labels.filter(lambda drawn: 0 in drawn and 1 in drawn)), np.uint8)
    for name, value in brute_force(score, label).items():
        assert pooled(score, label).values[name] == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("levels", [None, 50, 3])
def test_equals_scikit_learn(levels: int | None) -> None:
    rng = np.random.default_rng(1)
    label = (rng.random(100_000) < 0.02).astype(np.uint8)
    score = (rng.normal(size=label.size) + 1.5 * label).astype(np.float32)
    if levels:
        score = (np.round(score * levels) / levels).astype(np.float32)
    fpr, tpr, _ = roc_curve(label, score, drop_intermediate=False)
    found = pooled(score, label).values
    assert found["AP"] == pytest.approx(average_precision_score(label, score), abs=1e-12)
    assert found["AUROC"] == pytest.approx(roc_auc_score(label, score), abs=1e-12)
    assert found["FPR95"] == pytest.approx(fpr[np.searchsorted(tpr, 0.95)], abs=1e-12)


def test_equals_the_field_s_evaluators() -> None:
    arrays = np.load(GOLDEN / "pixel_metrics.npz")
    golden = json.loads((GOLDEN / "pixel_metrics.json").read_text())
    for frames, results in ((golden["frame_sets"][name], golden["results"][name]) for name in golden["frame_sets"]):
        pool = PixelPool()
        for index in frames:
            pool.update(arrays[f"score_{index}"], AnomalyLabels(arrays[f"label_{index}"]))
        found = pool.metrics(POOLED).values
        for evaluator in results.values():
            for name, value in evaluator.items():
                assert found[name] == pytest.approx(value, abs=1e-12)


@settings(deadline=None)
@given(scores, st.integers(1, 5), st.randoms())
def test_shards_merge_to_the_whole_in_any_order(values: list[float], parts: int, random: object) -> None:
    score = np.array(values, np.float32)
    label = np.arange(len(values), dtype=np.uint8) % 2
    pools = []
    for chunk in np.array_split(np.arange(len(values)), parts):
        pool = PixelPool()
        pool.update(score[None, chunk], AnomalyLabels(label[None, chunk]))
        pools.append(pool)
    random.shuffle(pools)  # type: ignore[attr-defined]
    whole = PixelPool()
    whole.merge(pools)
    assert whole.metrics(POOLED).values == pooled(score, label).values


@settings(deadline=None)
@given(scores)
def test_a_monotone_map_of_the_scores_changes_nothing(values: list[float]) -> None:
    score = np.array(values, np.float32)
    label = np.arange(len(values), dtype=np.uint8) % 2
    # Ranks are the strictest monotone map there is; float32 holds them exactly.
    ranks = np.unique(score, return_inverse=True)[1].astype(np.float32)
    assert pooled(score, label).values == pooled(ranks, label).values


def test_undefined_is_nan_with_a_reason() -> None:
    none_anomalous = pooled(np.arange(4.0), np.zeros(4))
    assert all(math.isnan(value) for value in none_anomalous.values.values())
    assert set(none_anomalous.undefined) == {"AP", "FPR95", "AUROC"}
    assert none_anomalous.counts["frames_without_anomaly"] == 1
    all_anomalous = pooled(np.arange(4.0), np.ones(4))
    assert all_anomalous.values["AP"] == 1.0
    assert set(all_anomalous.undefined) == {"FPR95", "AUROC"}


def test_void_pixels_are_counted_and_nothing_else() -> None:
    label = np.array([0, 1, 255, 255])
    found = pooled(np.array([0.0, 1.0, 9.0, np.nan]), label)
    assert found.values == {"AP": 1.0, "FPR95": 0.0, "AUROC": 1.0}
    assert found.counts["void_pixels"] == 2


def test_nan_where_it_counts_is_an_error() -> None:
    with pytest.raises(ScoreError, match="1 of 2 valid pixels score NaN"):
        pooled(np.array([0.0, np.nan]), np.array([0, 1]))


def test_another_shape_or_type_is_an_error() -> None:
    labels = AnomalyLabels(np.zeros((2, 2), np.uint8))
    with pytest.raises(ScoreError, match="expected the same"):
        PixelPool().update(np.zeros((2, 3), np.float32), labels)
    with pytest.raises(ScoreError, match="expected float32"):
        PixelPool().update(np.zeros((2, 2)), labels)  # type: ignore[arg-type]
