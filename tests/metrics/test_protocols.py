"""Each protocol compared with recorded outputs of the evaluator whose rules it implements."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from oodbench.errors import UsageError
from oodbench.metrics import POOLED, PROTOCOLS, PixelMetrics, make_evaluation, pixel_metrics_of
from oodbench.types import AnomalyLabels

GOLDEN = Path(__file__).parents[1] / "golden"
NUMBERS = json.loads((GOLDEN / "pixel_metrics.json").read_text())


@pytest.fixture(scope="module")
def frames() -> list[tuple[np.ndarray, AnomalyLabels]]:
    arrays = np.load(GOLDEN / "pixel_metrics.npz")
    return [(arrays[f"score_{index}"], AnomalyLabels(arrays[f"label_{index}"])) for index in range(6)]


def evaluate_frames(name: str, frames: list[tuple[np.ndarray, AnomalyLabels]]) -> PixelMetrics:
    under = make_evaluation(PROTOCOLS[name])
    for score, labels in frames:
        under.update(score, labels)
    return under.metrics()


@pytest.mark.parametrize("evaluator", NUMBERS["protocol"])
@pytest.mark.parametrize("frame_set", NUMBERS["frame_sets"])
def test_protocols_equal_the_official_evaluators(
    frames: list[tuple[np.ndarray, AnomalyLabels]], frame_set: str, evaluator: str
) -> None:
    expected = NUMBERS["results"][frame_set].get(evaluator)
    assert expected, "the evaluator gave numbers on every set"
    chosen = [frames[index] for index in NUMBERS["frame_sets"][frame_set]]
    assert evaluate_frames(NUMBERS["protocol"][evaluator], chosen).values == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("frame_set", NUMBERS["best_f1"])
def test_smiyc_uses_the_threshold_of_the_best_f1(
    frames: list[tuple[np.ndarray, AnomalyLabels]], frame_set: str
) -> None:
    """The threshold is a lower edge of a bin, between two scores if the percentile is, with the evaluator's digits."""
    found = evaluate_frames("smiyc", [frames[index] for index in NUMBERS["frame_sets"][frame_set]])
    assert found.best_f1 == pytest.approx(NUMBERS["best_f1"][frame_set]["best_f1"], abs=1e-15)
    assert found.best_f1_threshold == NUMBERS["best_f1"][frame_set]["best_f1_threshold"]


@pytest.mark.parametrize("index", [0, 2, 3, 4, 5])
def test_pytorch_ood_protocol_equals_the_library_on_single_frames(
    frames: list[tuple[np.ndarray, AnomalyLabels]], index: int
) -> None:
    """The library counts in single precision after a sigmoid, which ties some high scores, so there is a tolerance."""
    expected = NUMBERS["results"]["all"]["pytorch_ood_segmentation"]["per_frame"][index]
    found = evaluate_frames("pytorch-ood", [frames[index]]).values
    assert found["AP"] == pytest.approx(expected["AUPR-OUT"], abs=2e-5)
    assert found["FPR95"] == pytest.approx(expected["FPR95TPR"], abs=2e-5)
    assert found["AUROC"] == pytest.approx(expected["AUROC"], abs=2e-5)


def test_pytorch_ood_protocol_is_undefined_if_a_frame_has_no_anomaly(
    frames: list[tuple[np.ndarray, AnomalyLabels]],
) -> None:
    found = evaluate_frames("pytorch-ood", frames)
    assert all(math.isnan(value) for value in found.values.values())
    assert "1 frames have no anomaly" in found.undefined["AP"]


def test_strict_fpr_differs_on_a_slanted_segment(frames: list[tuple[np.ndarray, AnomalyLabels]]) -> None:
    """There are ten levels of equal size. All inner vertices are dropped, so the first remaining one is the last."""
    arrays = np.load(GOLDEN / "pixel_metrics.npz")
    score, label = arrays["diagonal_score"], arrays["diagonal_label"]
    both = [(score.astype(np.float32), AnomalyLabels(label.astype(np.uint8)))]
    strict, first = (evaluate_frames(name, both).values["FPR95"] for name in ("strict-fpr", "pooled"))
    assert strict > first
    assert strict == pytest.approx(NUMBERS["diagonal_run"]["results"]["rba"]["FPR95"], abs=1e-12)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_undefined_metrics_are_nan_with_a_reason(name: str) -> None:
    under = make_evaluation(PROTOCOLS[name])
    under.update(np.zeros((3, 3), np.float32), AnomalyLabels(np.zeros((3, 3), np.uint8)))
    found = under.metrics()
    assert all(math.isnan(value) for value in found.values.values())
    assert set(found.undefined) == {"AP", "FPR95", "AUROC"}
    assert found.counts["frames_without_anomaly"] == 1


def test_protocol_names_are_those_in_results() -> None:
    assert all(protocol.name == name and protocol.source for name, protocol in PROTOCOLS.items())


def test_counting_in_passes_supports_only_pooled() -> None:
    assert pixel_metrics_of(list, POOLED, 1 << 23).counts["frames"] == 0
    with pytest.raises(UsageError, match="the protocol pebal can't be computed in passes"):
        pixel_metrics_of(list, PROTOCOLS["pebal"], 1 << 23)
