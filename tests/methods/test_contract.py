"""Contract of every method in the registry, their definitions, and the effect of their parameters."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from oodbench.contracts import GridMethod, MergeableFit, Method, PixelMethod
from oodbench.errors import DataError, ScoreError, UnknownNameError, UsageError
from oodbench.registry import Registry
from oodbench.stages.fit import update_fit
from oodbench.testing import MethodContract
from oodbench.testing.fake_network import GRID, SIZE, fake_network, ready, scores
from oodbench.types import CITYSCAPES_19, SegmenterOutput, SemanticLabels

REGISTRY = Registry()
METHODS = REGISTRY.names("methods")


def fit_method(spec: str, seed: int = 0, classes: int = 6) -> Method:
    return ready(REGISTRY.method(spec), seed, classes)


class TestEveryMethod(MethodContract):
    @pytest.fixture(autouse=True, params=METHODS)
    def _each(self, request: pytest.FixtureRequest) -> None:
        self.name = request.param


def upsample(output: SegmenterOutput) -> torch.Tensor:
    assert output.class_maps is not None
    return torch.nn.functional.interpolate(output.class_maps.values.double(), SIZE, mode="bilinear")[0]


def standardise(logits: torch.Tensor) -> torch.Tensor:
    """Standardise by the statistics of the frames of `fitted`; a class on fewer than 50 pixels uses those of all."""
    seen, classes = torch.stack([upsample(fake_network(seed)[0]) for seed in range(3)]).max(dim=1)
    best, predicted = logits.max(dim=0)
    score = torch.empty_like(best)
    for index in predicted.unique():
        own = seen[classes == index] if (classes == index).sum() >= 50 else seen
        here = predicted == index
        score[here] = (own.mean() - best[here]) / own.std(correction=0)
    return score


@pytest.mark.parametrize("name", METHODS)
def test_pixel_scores_equal_the_definition_on_whole_maps(name: str) -> None:
    """Compare with the equations at the top of each file, in double precision and without the shared pass."""
    without_postprocessing = {"sml": "sml:suppression=false,smoothing=false"}
    method = fit_method(without_postprocessing.get(name, name))
    if not isinstance(method, PixelMethod):
        assert isinstance(method, GridMethod)
        return
    definitions: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "msp": lambda logits: 1 - logits.softmax(dim=0).amax(dim=0),
        "max-logit": lambda logits: -logits.amax(dim=0),
        "entropy": lambda logits: torch.special.entr(logits.softmax(dim=0)).sum(dim=0),
        "energy": lambda logits: -logits.logsumexp(dim=0),
        "sml": standardise,
        "gmmseg-norm": lambda logits: -logits.amax(dim=0),
    }
    output, _ = fake_network(10, planted=True)
    expected = definitions[name](upsample(output)).numpy()
    assert np.allclose(scores(method, output)[0], expected, rtol=2e-5, atol=2e-6)


# Parameters


def test_knn_parameters_have_the_documented_effect() -> None:
    output, _ = fake_network(10, planted=True)
    nearest, mean = (scores(fit_method(f"knn:k={k}"), output) for k in (1, 9))
    assert (nearest <= mean + 1e-6).all()
    cosine = scores(fit_method("knn"), output)
    assert cosine.min() >= 0
    assert cosine.max() <= 2
    small = fit_method("knn:bank_size=60").fitted()
    assert len(small.tensors["bank"]) == 60


def test_knn_equals_a_brute_force_search() -> None:
    method = fit_method("knn:k=3,metric=euclidean,bank_size=200")
    output, _ = fake_network(10)
    queries = output.features["penultimate"][0].flatten(1).T
    distances = torch.cdist(queries.double(), method.fitted().tensors["bank"].double())
    expected = distances.topk(3, largest=False).values.mean(dim=1).view(GRID)
    assert isinstance(method, GridMethod)
    assert torch.allclose(method.grid_score(output)[0].double(), expected, atol=1e-3)


def test_knn_with_more_neighbours_than_pixels_is_an_error() -> None:
    method = REGISTRY.method("knn:k=50,bank_size=20")
    method.begin_fit(CITYSCAPES_19, 0)
    output, labels = fake_network(0)
    update_fit(method, output, [labels], ["frame"])
    with pytest.raises(DataError, match="20 labelled pixels; expected at least k = 50"):
        method.fitted()


def test_gmm_records_rare_and_absent_classes() -> None:
    method = REGISTRY.method("gmm-posthoc:minimum=50")
    method.begin_fit(CITYSCAPES_19, 0)
    output, labels = fake_network(0, classes=4)
    rare = labels.values.copy()
    rare[:4, :10] = 7  # ten pixels of traffic sign on the grid
    update_fit(method, output, [SemanticLabels(rare, CITYSCAPES_19)], ["frame"])
    fit = method.fitted()
    assert fit.facts["pooled_classes"] == ["traffic sign"]
    assert "train" in fit.facts["absent_classes"]
    assert len(fit.tensors["mean"]) == 5
    method.load(fit)
    assert np.isfinite(scores(method, output)).all()


@pytest.mark.parametrize("whiten", ["standardise", "within-class"])
def test_gmm_is_invariant_to_the_scale_of_features(whiten: str) -> None:
    def scaled(factor: float) -> np.ndarray:
        method = REGISTRY.method(f"gmm-posthoc:whiten={whiten}")
        method.begin_fit(CITYSCAPES_19, 0)
        for seed in range(3):
            output, labels = fake_network(seed)
            scaled_output = SegmenterOutput(None, {"penultimate": factor * output.features["penultimate"]})
            update_fit(method, scaled_output, [labels], [str(seed)])
        method.load(method.fitted())
        output, _ = fake_network(10, planted=True)
        features = {"penultimate": factor * output.features["penultimate"]}
        return scores(method, SegmenterOutput(output.class_maps, features))

    assert np.allclose(scaled(1.0), scaled(64.0), rtol=1e-3, atol=1e-2)


def test_gmm_without_labelled_pixels_is_an_error() -> None:
    method = REGISTRY.method("gmm-posthoc")
    method.begin_fit(CITYSCAPES_19, 0)
    with pytest.raises(DataError, match="no class has 50 labelled pixels"):
        method.fitted()


@pytest.mark.parametrize("name", ["knn", "gmm-posthoc"])
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_features_that_are_not_finite_are_an_error_of_the_fit(name: str, value: float) -> None:
    method = REGISTRY.method(name)
    method.begin_fit(CITYSCAPES_19, 0)
    output, labels = fake_network(0)
    output.features["penultimate"][0, 2, 5, 5] = value
    with pytest.raises(DataError, match="aachen_3: the network's features of this frame to fit on are NaN or infinite"):
        update_fit(method, output, [labels], ["aachen_3"])


def test_all_methods_of_the_package_that_learn_have_a_mergeable_fit() -> None:
    learning = [name for name in METHODS if REGISTRY.method(name).needs().fit]
    assert learning == ["gmm-posthoc", "knn", "sml"]
    assert all(isinstance(REGISTRY.method(name), MergeableFit) for name in learning)


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("gmseg", UnknownNameError, "unknown method 'gmseg'"),
        ("entrpy", UnknownNameError, "Did you mean 'entropy'"),
        ("knn:kk=3", UnknownNameError, "unknown parameter of knn 'kk'. Did you mean 'k'"),
        ("knn:k=three", UsageError, "k=three: input should be a valid integer"),
        ("knn:k=0", UsageError, "k=0: input should be greater than or equal to 1"),
        ("knn:k", UsageError, "expected key=value, got 'k'"),
        ("gmm-posthoc:ridge=nan", UsageError, "ridge=nan: input should be a finite number"),
    ],
)
def test_an_invalid_specification_is_an_error_with_the_remedy(spec: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        REGISTRY.method(spec)
    assert message in str(caught.value)


def test_scores_that_are_not_finite_are_an_error() -> None:
    output, _ = fake_network(10)
    assert output.class_maps is not None
    output.class_maps.values[0, 3, 5, 5] = torch.nan
    with pytest.raises(ScoreError, match="msp: 1 of 1152 scores are NaN or infinite"):
        scores(REGISTRY.method("msp"), output, "score")


def test_gmm_accepts_dead_units_and_a_rare_class() -> None:
    method = REGISTRY.method("gmm-posthoc")
    method.begin_fit(CITYSCAPES_19, 0)
    output, labels = fake_network(0, classes=4)
    features = output.features["penultimate"].clone()
    features[:, 3] = 0
    rare = labels.values.copy()
    rare[:4, :10] = 7
    update_fit(
        method, SegmenterOutput(None, {"penultimate": features}), [SemanticLabels(rare, CITYSCAPES_19)], ["frame"]
    )
    method.load(method.fitted())
    quiet = scores(method, SegmenterOutput(output.class_maps, {"penultimate": features}))
    assert np.isfinite(quiet).all()
    sparking = features.clone()
    sparking[:, 3, 5, 5] = 1e-3
    assert np.allclose(scores(method, SegmenterOutput(output.class_maps, {"penultimate": sparking})), quiet)


def test_the_bank_of_knn_is_sampled_from_all_frames() -> None:
    method = REGISTRY.method("knn:bank_size=190")
    method.begin_fit(CITYSCAPES_19, 0)
    for frame in range(30):
        _, labels = fake_network(frame, classes=2)
        maps = torch.full((1, 1, *GRID), float(frame))
        update_fit(method, SegmenterOutput(None, {"penultimate": maps}), [labels], [str(frame)])
    frames = method.fitted().tensors["bank"][:, 0]
    assert len(frames.unique()) > 25
