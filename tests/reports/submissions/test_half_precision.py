"""Mapping to half precision, and golden frames in the files of a SegmentMeIfYouCan submission."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from oodbench.contracts import ComponentSizes
from oodbench.data import write_hdf5
from oodbench.errors import ScoreError
from oodbench.metrics import (
    PROTOCOLS,
    component_metrics,
    fit_half_map,
    is_half_precision,
    make_evaluation,
    measure_change,
    to_half,
)
from oodbench.metrics.counting.half_precision import LEVELS
from oodbench.registry import Registry
from oodbench.types import AnomalyLabels, ScoreMap
from tests.helpers.handmade_submissions import frame

GOLDEN = Path(__file__).parents[2] / "golden"


def make_scores(kind: str, seed: int) -> tuple[ScoreMap, AnomalyLabels]:
    """Create scores of a third of a megapixel, most kinds with more than 200 000 distinct values."""
    rng = np.random.default_rng(seed)
    labels = (rng.random((480, 640)) < 0.02).astype(np.uint8)
    values = rng.normal(size=labels.shape) + 2 * labels
    made = {
        "spread": values,
        "posterior": 1 / (1 + np.exp(-8 - 2 * values)),
        "beyond": 1e4 * np.exp(3 * values),
        "half tied": np.where(rng.random(labels.shape) < 0.5, 0.0, values),
    }[kind]
    return made.astype(np.float32), AnomalyLabels(labels)


@pytest.mark.parametrize("kind", ["spread", "posterior", "beyond", "half tied"])
def test_the_mapping_keeps_metrics_that_rounding_changes(kind: str) -> None:
    frames = [make_scores(kind, seed) for seed in range(3)]
    fitted = fit_half_map(lambda: (score for score, _ in frames))
    assert fitted.codes.size <= LEVELS
    assert (np.diff(fitted.codes.astype(np.float32)) > 0).all()
    assert np.isfinite(fitted.codes).all()
    mapped = measure_change((score, fitted(score).astype(np.float32), labels) for score, labels in frames)
    assert mapped.largest < 1e-4
    halves = [to_half(score) for score, _ in frames]
    if kind == "beyond":
        assert halves == [None] * 3
    elif kind == "posterior":
        rounded = [half.astype(np.float32) for half in halves if half is not None]
        assert measure_change((s, r, labels) for (s, labels), r in zip(frames, rounded, strict=True)).largest > 0.01


@pytest.mark.slow
@settings(max_examples=30)
@given(arrays(np.float32, (4, 5), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_few_scores_keep_their_order_and_their_ties(score: ScoreMap) -> None:
    mapped = fit_half_map(lambda: [score])(score).ravel().astype(np.float32)
    flat = score.ravel()
    np.testing.assert_array_equal(mapped[:, None] < mapped, flat[:, None] < flat)
    assert (np.abs(mapped) <= 32752).all()


def test_scores_below_all_others_have_the_lowest_code() -> None:
    fitted = fit_half_map(lambda: [np.array([[1.0, 2.0]], np.float32)])
    assert fitted(np.array([[-5.0, 1.0, 1.5, 2.0, 9.0]], np.float32)).tolist() == [
        [-32752.0, -32752.0, -32752.0, 32752.0, 32752.0]
    ]


def test_empty_and_nan_scores_have_no_mapping() -> None:
    with pytest.raises(ScoreError, match="no scores to fit a map on"):
        fit_half_map(list)
    with pytest.raises(ScoreError, match="1 of 2 scores are NaN"):
        fit_half_map(lambda: [np.array([[1.0, np.nan]], np.float32)])


def test_half_precision_scores_are_unchanged() -> None:
    assert is_half_precision(np.array([[0.0, 0.5, -65504.0]], np.float32))
    assert not is_half_precision(np.array([[0.1]], np.float32))
    assert not is_half_precision(np.array([[1e6]], np.float32))


def read_golden(name: str) -> tuple[list[tuple[ScoreMap, AnomalyLabels]], Any]:
    with np.load(GOLDEN / f"{name}.npz") as content:
        count = sum(key.startswith("label_") for key in content.files)
        frames = [
            (content[f"score_{i}"].astype(np.float32), AnomalyLabels(content[f"label_{i}"])) for i in range(count)
        ]
    return frames, json.loads((GOLDEN / f"{name}.json").read_text())


def write_and_read(frames: list[tuple[ScoreMap, AnomalyLabels]], folder: Path) -> list[ScoreMap]:
    """Write scores as the toolkit's HDF5 files, and read them with the submission."""
    known = []
    for index, (score, _) in enumerate(frames):
        name = f"validation{index:04d}"
        write_hdf5(folder / "AnomalyTrack-all" / f"{name}.hdf5", score)
        known.append(frame("road-anomaly-21", index, name, score.shape, hidden=False))
    read = dict(Registry().submission("segment-me-if-you-can").read(folder, known))
    assert len(read) == len(frames)
    return list(read.values())


def test_golden_pixel_metrics_survive_the_submission(tmp_path: Path) -> None:
    frames, known = read_golden("pixel_metrics")
    under = make_evaluation(PROTOCOLS["smiyc"])
    for score, (_, labels) in zip(write_and_read(frames, tmp_path), frames, strict=True):
        under.update(score, labels)
    found, theirs = under.metrics(), known["results"]["all"]["smiyc_PixBinaryClass"]
    assert found.values["AP"] == pytest.approx(theirs["AP"], abs=1e-9)
    assert found.values["FPR95"] == pytest.approx(theirs["FPR95"], abs=1e-9)


@pytest.mark.parametrize("track", ["AnomalyTrack", "ObstacleTrack"])
def test_golden_component_metrics_survive_the_submission(track: str, tmp_path: Path) -> None:
    frames, known = read_golden("components")
    read = write_and_read(frames, tmp_path)
    theirs = known["results"][f"{track}_B"]
    sizes = {"AnomalyTrack": ComponentSizes(), "ObstacleTrack": ComponentSizes(prediction=50, object=10)}[track]
    pairs = [(score, labels) for score, (_, labels) in zip(read, frames, strict=True)]
    found = component_metrics(lambda: pairs, PROTOCOLS["smiyc"], sizes, {"": 1.5})[""]
    assert found.values["F1*"] == pytest.approx(theirs["f1_mean"], abs=1e-12)
    assert found.values["sIoU"] == pytest.approx(theirs["sIoU_gt_mean"], abs=1e-12)
    assert (found.tp.tolist(), found.fn.tolist(), found.fp.tolist()) == (theirs["tp"], theirs["fn"], theirs["fp"])


def test_golden_frames_survive_the_mapping(tmp_path: Path) -> None:
    """Metrics depend on ranks, which the mapping changes by no more than the percentiles of the toolkit."""
    frames, _ = read_golden("pixel_metrics")
    fitted = fit_half_map(lambda: (score for score, _ in frames))
    mapped = [(fitted(score).astype(np.float32), labels) for score, labels in frames]
    read = write_and_read(mapped, tmp_path)
    exact = measure_change((s, r, labels) for (s, labels), r in zip(frames, read, strict=True))
    assert exact.largest < 1e-4
    protocol = replace(PROTOCOLS["smiyc"], precision="float32")
    before, after = make_evaluation(protocol), make_evaluation(PROTOCOLS["smiyc"])
    for (score, labels), half in zip(frames, read, strict=True):
        before.update(score, labels)
        after.update(half, labels)
    for name in ("AP", "FPR95"):
        assert after.metrics().values[name] == pytest.approx(before.metrics().values[name], abs=0.002)
