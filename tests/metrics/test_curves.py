"""Curves compared with scikit-learn, and thinning."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_curve, roc_curve

from oodbench.errors import UsageError
from oodbench.metrics import POOLED, PixelCounts, PixelCurve, pixel_curve, pixel_metrics
from oodbench.types import AnomalyLabels

LEVELS = [-1.5, 0.0, 0.25, 0.5, 1.0, 3.0]


def count_pixels(score: np.ndarray, label: np.ndarray) -> PixelCounts:
    counts = PixelCounts(compiled=False)
    counts.update(score[None].astype(np.float32), AnomalyLabels(label[None].astype(np.uint8)))
    return counts


@given(st.lists(st.sampled_from(LEVELS) | st.floats(-2, 2, width=32), min_size=2, max_size=50), st.data())
def test_curves_equal_scikit_learn(values: list[float], data: st.DataObject) -> None:
    score = np.array(values, np.float32)
    labels = st.lists(st.integers(0, 1), min_size=len(values), max_size=len(values))
    label = np.array(data.draw(labels.filter(lambda drawn: 0 < sum(drawn) < len(drawn))))
    counts = count_pixels(score, label)
    curve = pixel_curve(counts)
    # scikit-learn has a point at every score, ours only at anomalous scores. The common points are equal.
    precision, recall, threshold = precision_recall_curve(label, score)
    at = np.searchsorted(threshold, curve.threshold)
    assert (threshold[at] == curve.threshold).all()
    assert curve.precision == pytest.approx(precision[at], abs=1e-12)
    assert curve.recall == pytest.approx(recall[at], abs=1e-12)
    fpr, tpr = curve.roc()
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)
    assert (np.diff(fpr) >= 0).all()
    assert (np.diff(tpr) >= 0).all()
    theirs = roc_curve(label, score, drop_intermediate=False)
    for x, y in zip(*theirs[:2], strict=True):  # each point of scikit-learn is on a segment of our curve
        inside = np.flatnonzero((fpr[:-1] <= x + 1e-12) & (x <= fpr[1:] + 1e-12))
        ys = [np.interp(x, fpr[i : i + 2], tpr[i : i + 2]) for i in inside] + list(tpr[np.isclose(fpr, x)])
        assert np.isclose(ys, y).any()
    found = pixel_metrics(counts, POOLED).values
    assert np.trapezoid(tpr, fpr) == pytest.approx(found["AUROC"], abs=1e-12)
    assert np.diff(curve.recall, prepend=0) @ curve.precision == pytest.approx(found["AP"], abs=1e-12)


def make_curve() -> PixelCurve:
    rng = np.random.default_rng(5)
    label = rng.random(20_000) < 0.1
    return pixel_curve(count_pixels(rng.normal(size=label.size) + 2 * label, label))


@pytest.mark.parametrize("points", [2, 3, 50, 300])
def test_removed_points_are_close_to_the_thinned_curve(points: int) -> None:
    curve = make_curve()
    thin = curve.thin(points)
    assert points / 2 < thin.threshold.size <= points
    assert (thin.threshold[0], thin.threshold[-1]) == (curve.threshold[0], curve.threshold[-1])
    place = np.searchsorted(-curve.threshold, -thin.threshold)
    assert (curve.true[place] == thin.true).all()
    assert (curve.false[place] == thin.false).all()
    assert (curve.before[place] == thin.before).all()
    mark = (curve.recall[-1] + curve.fpr[-1] - curve.recall[0] - curve.fpr[0]) / (points - 1)
    behind = place[np.searchsorted(place, np.arange(curve.threshold.size), side="right") - 1]
    assert (curve.recall - curve.recall[behind]).max() <= mark + 1e-12
    assert (curve.fpr - curve.fpr[behind]).max() <= mark + 1e-12


def test_a_short_curve_is_not_thinned() -> None:
    curve = make_curve()
    assert curve.thin(curve.threshold.size) is curve
    with pytest.raises(UsageError, match="a curve of 1 points"):
        curve.thin(1)


def test_curves_of_one_kind_of_pixel() -> None:
    nothing = pixel_curve(count_pixels(np.arange(4.0), np.zeros(4)))
    assert nothing.threshold.size == nothing.recall.size == 0
    everything = pixel_curve(count_pixels(np.arange(4.0), np.ones(4)))
    assert everything.precision.tolist() == [1, 1, 1, 1]
    assert np.isnan(everything.fpr).all()
    assert everything.thin(2).threshold.tolist() == [3, 0]
