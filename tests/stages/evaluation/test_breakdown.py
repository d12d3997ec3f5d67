"""Counts per group of the breakdown, compared with exact metrics of each group."""

from __future__ import annotations

import numpy as np
import pytest

from oodbench.contracts import Calibration
from oodbench.metrics import PROTOCOLS, make_evaluation
from oodbench.metrics.measurements.frame import FrameMeasurement, LabelledFrame, measure_frame
from oodbench.stages.evaluation.breakdown import BreakdownCounter
from oodbench.types import CITYSCAPES_19, AnomalyLabels


def frames() -> list[tuple[np.ndarray, AnomalyLabels, np.ndarray]]:
    """Create two frames of 100 x 100 with regions of 4 pixels (top) and 1500 pixels (below), and void at the right."""
    found = []
    for seed in (0, 1):
        rng = np.random.default_rng(seed)
        label = np.zeros((100, 100), np.uint8)
        label[5:7, 5:7] = 1
        label[40:90, 20:50] = 1
        label[:, 95:] = 255
        score = (rng.normal(size=label.shape) + 1.5 * (label == 1)).astype(np.float32)
        prediction = np.where(np.arange(100) < 30, 0, 13).astype(np.uint8) * np.ones((100, 1), np.uint8)
        found.append((score, AnomalyLabels(label), prediction))
    return found


LEVELS = np.array([0.0, 0.95, 1.0])
CALIBRATION = Calibration(LEVELS, np.array([-4, 1.5, 4], np.float32), "Cityscapes val")


def counter(calibration: Calibration | None = CALIBRATION, predicted: bool = True) -> BreakdownCounter:
    under = make_evaluation(PROTOCOLS["pooled"])
    for score, labels, _ in frames():
        under.update(score, labels)
    bins = under.bins()
    assert bins is not None
    taken = BreakdownCounter(bins, 0.95, calibration, CITYSCAPES_19)
    for score, labels, prediction in frames():
        measured = measure_frame(score, LabelledFrame.of(labels), prediction if predicted else None)
        counts = taken.update(FrameMeasurement.from_arrays(measured.arrays()))
        assert (counts == bins.count(score, labels)).all()
    return taken


def test_the_numbers_of_a_group_use_only_its_pixels() -> None:
    found = {(part.kind, part.name): part for part in counter().breakdown().groups}
    parts = {
        ("size", "below 0.1 %"): np.s_[5:7, 5:7],
        ("size", "10 % and more"): np.s_[40:90, 20:50],
        ("place", "upper half"): np.s_[5:7, 5:7],
        ("place", "lowest quarter"): np.s_[40:90, 20:50],
        ("class", "car"): np.s_[40:90, 30:50],
    }
    assert set(found) == {*parts, ("class", "road")}
    for key, where in parts.items():
        under = make_evaluation(PROTOCOLS["pooled"])
        above = {"test": 0, "calibrated": 0}
        for score, labels, _ in frames():
            alone = np.where(labels.values == 1, 255, labels.values).astype(np.uint8)
            alone[where] = 1
            under.update(score, AnomalyLabels(alone))
            above["calibrated"] += int((score[where] > 1.5).sum())
        exact = under.metrics()
        part = found[key]
        assert part.pixels == exact.counts["anomaly_pixels"]
        assert part.ap == pytest.approx(exact.values["AP"], abs=2e-3)
        assert part.auroc == pytest.approx(exact.values["AUROC"], abs=2e-3)
        assert part.recall["calibrated"] == above["calibrated"] / part.pixels
        assert part.objects == (None if key[0] == "class" else 2)


def test_thresholds_give_recall_and_false_alarms() -> None:
    test, calibrated = counter().breakdown().thresholds
    normal = np.concatenate([score[labels.values == 0] for score, labels, _ in frames()])
    anomalous = np.concatenate([score[labels.values == 1] for score, labels, _ in frames()])
    assert (test.name, test.expected, calibrated.expected) == ("test", None, 0.05)
    assert test.score == np.sort(anomalous)[::-1][int(np.ceil(0.95 * anomalous.size)) - 1]
    assert (test.fpr, test.recall) == ((normal >= test.score).mean(), (anomalous >= test.score).mean())
    # One in twenty calibration pixels exceeds the threshold. A pixel with exactly that score does not.
    assert calibrated.score > 1.5
    assert calibrated.score == pytest.approx(1.5, abs=1e-6)
    assert (calibrated.fpr, calibrated.recall) == ((normal > 1.5).mean(), (anomalous > 1.5).mean())
    assert calibrated.title == "5 % of the pixels of Cityscapes val exceed it"


def test_false_alarms_add_up_over_classes() -> None:
    found = counter().breakdown()
    assert [part.name for part in found.false_alarms] == ["road", "car"]
    normal = np.concatenate([score[labels.values == 0] for score, labels, _ in frames()])
    assert sum(part.pixels for part in found.false_alarms) == normal.size
    assert sum(part.called["calibrated"] for part in found.false_alarms) == (normal > 1.5).sum()


def test_a_breakdown_without_calibration_and_predictions_is_smaller() -> None:
    found = counter(None, predicted=False).breakdown()
    assert [threshold.name for threshold in found.thresholds] == ["test"]
    assert found.false_alarms == ()
    assert {part.kind for part in found.groups} == {"size", "place"}
