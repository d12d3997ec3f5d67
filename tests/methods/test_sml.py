"""SML compared with outputs of its authors' code on synthetic logits, and edge cases of its postprocessing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from oodbench.contracts import Fit, Scoring
from oodbench.errors import DataError
from oodbench.methods.sml import find_class_boundaries, smooth, suppress_boundaries
from oodbench.registry import Registry
from oodbench.stages.apply_methods import ScoredFrame, score_output
from oodbench.stages.fit import update_fit
from oodbench.types import CITYSCAPES_19, VOID, ClassMaps, SegmenterOutput, SemanticLabels

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "sml.npz")
REGISTRY = Registry()
NO_POSTPROCESSING = "sml:suppression=false,smoothing=false"


def golden_frame(spec: str) -> ScoredFrame:
    """Score the golden logits with the golden statistics."""
    method = REGISTRY.method(spec)
    statistics = {"mean": GOLDEN["class_mean"], "variance": GOLDEN["class_var"]}
    method.load(Fit({name: torch.from_numpy(values) for name, values in statistics.items()}, {}))
    output = SegmenterOutput(ClassMaps(torch.from_numpy(GOLDEN["logits"])[None]))
    (frame,), _ = score_output(output, [(96, 192)], {"it": method}, Scoring(resize="bilinear-aligned"))
    return frame


@pytest.mark.parametrize(
    ("spec", "name", "tolerance"),
    [
        # The golden maps were upsampled in float32, with errors of up to 4e-5 compared with double precision.
        ("max-logit", "max_logit", 5e-5),
        (NO_POSTPROCESSING, "standardised", 5e-5),
        ("sml:smoothing=false", "after_suppression", 5e-5),
        ("sml:suppression=false", "after_smoothing_only", 1e-5),
        ("sml", "after_suppression_and_smoothing", 1e-5),
    ],
)
def test_each_step_equals_the_code_of_the_authors(spec: str, name: str, tolerance: float) -> None:
    frame = golden_frame(spec)
    assert frame.prediction is not None
    assert np.array_equal(frame.prediction, GOLDEN["prediction"])
    assert np.abs(-frame.scores["it"] - GOLDEN[name]).max() <= tolerance


def test_postprocessing_equals_the_code_of_the_authors() -> None:
    boundary = find_class_boundaries(GOLDEN["prediction"])
    assert np.array_equal(boundary, GOLDEN["boundary"])
    suppressed = suppress_boundaries(GOLDEN["standardised"], boundary)
    assert np.abs(suppressed - GOLDEN["after_suppression"]).max() <= 2e-6
    for before, after in (
        (suppressed, "after_suppression_and_smoothing"),
        (GOLDEN["standardised"], "after_smoothing_only"),
    ):
        assert np.abs(smooth(before) - GOLDEN[after]).max() <= 2e-6


def test_postprocessing_commutes_with_the_sign() -> None:
    score, boundary = GOLDEN["standardised"], GOLDEN["boundary"]
    assert np.array_equal(smooth(suppress_boundaries(-score, boundary)), -smooth(suppress_boundaries(score, boundary)))


def noise(shape: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def test_one_class_has_no_boundary_and_nothing_is_suppressed() -> None:
    boundary = find_class_boundaries(np.full((20, 30), 7, np.uint8))
    assert not boundary.any()
    score = noise((20, 30))
    assert np.array_equal(suppress_boundaries(score, boundary), score)


def test_a_map_of_only_boundaries_is_unchanged() -> None:
    checkered = np.indices((20, 30)).sum(axis=0).astype(np.uint8) % 2
    boundary = find_class_boundaries(checkered)
    assert boundary.all()
    score = noise((20, 30))
    assert np.array_equal(suppress_boundaries(score, boundary), score)


@pytest.mark.parametrize("shape", [(1, 40), (40, 1), (1, 1), (3, 2)])
def test_maps_may_be_smaller_than_the_kernels(shape: tuple[int, int]) -> None:
    prediction = (np.indices(shape).sum(axis=0) // 20).astype(np.uint8)
    score = noise(shape)
    suppressed = suppress_boundaries(score, find_class_boundaries(prediction))
    smoothed = smooth(suppressed)
    assert smoothed.shape == suppressed.shape == shape
    assert smoothed.dtype == suppressed.dtype == np.float32
    assert np.isfinite(smoothed).all()
    assert np.allclose(smooth(np.full(shape, 3.0, np.float32)), 3.0)


def test_boundary_pixels_between_two_classes_average_both_sides() -> None:
    prediction = np.array([[0] * 8 + [1] * 8], np.uint8)
    boundary = find_class_boundaries(prediction)
    assert np.flatnonzero(boundary).tolist() == [7, 8]
    score = np.where(prediction == 0, 1.0, 5.0).astype(np.float32)
    score[0, 4:12] = 100.0  # the boundary dilated by 3 covers exactly these
    assert np.array_equal(suppress_boundaries(score, boundary)[0], [1.0] * 8 + [5.0] * 8)


def test_postprocessing_does_not_change_its_input() -> None:
    score, prediction = noise((20, 30)), (np.arange(600).reshape(20, 30) // 200).astype(np.uint8)
    before = score.copy()
    REGISTRY.method("sml").postprocess(score, prediction)  # type: ignore[attr-defined]
    assert np.array_equal(score, before)


# Fit


def frames(count: int) -> list[tuple[torch.Tensor, SemanticLabels]]:
    """Create logits in which 3 of 19 classes are predicted, and labels that are void in half of the pixels."""
    made = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        logits = rng.normal(size=(19, 24, 48)).astype(np.float32)
        logits[[0, 10, 13]] += 1e3 + 20 * rng.random((3, 24, 48), np.float32)
        labels = np.zeros((24, 48), np.uint8)
        labels[:12] = VOID
        made.append((torch.from_numpy(logits), SemanticLabels(labels, CITYSCAPES_19)))
    return made


def fit(batches: list[list[tuple[torch.Tensor, SemanticLabels]]], spec: str = "sml") -> Fit:
    method = REGISTRY.method(spec)
    method.begin_fit(CITYSCAPES_19, 0)
    for batch in batches:
        maps = ClassMaps(torch.stack([logits for logits, _ in batch]))
        update_fit(method, SegmenterOutput(maps), [labels for _, labels in batch], [""] * len(batch))
    assert not method.end_pass()
    return method.fitted()


def test_the_fit_equals_the_moments_of_all_pixels_for_any_batches() -> None:
    made = frames(6)
    together, separate = fit([made]), fit([made[:1], made[1:4], made[4:]])
    for name, values in together.tensors.items():
        assert torch.equal(values, separate.tensors[name])
    logits = torch.cat([logits.flatten(1) for logits, _ in made], dim=1).double()
    best, prediction = logits.max(dim=0)
    for index in (0, 10, 13):
        own = best[prediction == index]
        assert together.tensors["mean"][index].item() == pytest.approx(own.mean().item(), rel=1e-12)
        variance = own.var(correction=0).item()
        assert together.tensors["variance"][index].item() == pytest.approx(variance, rel=1e-9)
        assert together.facts["pixels_predicted"][CITYSCAPES_19.names[index]] == len(own)


def test_classes_without_predictions_use_pooled_statistics_and_are_recorded() -> None:
    made = frames(2)
    learned = fit([made])
    assert learned.facts["pooled_classes"] == [
        name for name in CITYSCAPES_19.names if name not in ("road", "sky", "car")
    ]
    best = torch.stack([logits.double() for logits, _ in made]).amax(dim=1)
    assert learned.tensors["mean"][18].item() == pytest.approx(best.mean().item(), rel=1e-12)
    assert learned.tensors["variance"][18].item() == pytest.approx(best.var(correction=0).item(), rel=1e-9)
    assert len(fit([made], "sml:minimum=100000").facts["pooled_classes"]) == 19


def test_a_constant_class_uses_the_pooled_variance() -> None:
    made = frames(2)
    for logits, _ in made:
        logits[8, 5] = 2e3  # a class with constant logits
    learned = fit([made])
    assert learned.facts["still_classes"] == ["vegetation"]
    assert learned.tensors["mean"][8].item() == 2e3
    assert learned.tensors["variance"][8] == learned.tensors["variance"][18] > 0
    constant = fit([[(torch.full((19, 4, 8), 0.1), SemanticLabels(np.zeros((40, 80), np.uint8), CITYSCAPES_19))]])
    assert (constant.tensors["variance"] == 1).all()


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_non_finite_logits_are_an_error_of_the_fit(value: float) -> None:
    made = frames(1)
    made[0][0][3, 5, 5] = value
    with pytest.raises(DataError, match="logits that are NaN or infinite"):
        fit([made])


def test_a_fit_without_frames_is_an_error() -> None:
    with pytest.raises(DataError, match="no frames to fit on"):
        fit([])
