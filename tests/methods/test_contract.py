"""What every method of the registry has to hold, on a small network with a planted anomaly."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from oodbench.contracts import Fit, GridMethod, Method, PixelMethod, Scoring
from oodbench.errors import DataError, ScoreError, UnknownNameError, UsageError
from oodbench.pipeline.scoring import score_output
from oodbench.registry import Registry
from oodbench.types import CITYSCAPES_19, ClassMaps, SegmenterOutput, SemanticLabels

REGISTRY = Registry()
METHODS = REGISTRY.names("methods")
SIZE = (48, 96)
GRID = (24, 48)
PATCH = (slice(8, 14), slice(20, 30))


def world(seed: int, planted: bool = False, classes: int = 6) -> tuple[SegmenterOutput, SemanticLabels]:
    """One frame: blocks of classes, features around a direction of each class, and logits that are sure.

    A planted anomaly has features far from every class, and logits that are low and equal.
    """
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, (6, 12)).repeat(8, axis=0).repeat(8, axis=1).astype(np.uint8)
    grid = labels[1::2, 1::2]
    directions = np.random.default_rng(99).normal(size=(19, 8))
    features = directions[grid] + 0.2 * rng.normal(size=(*GRID, 8))
    logits = 0.5 * rng.normal(size=(*GRID, 19))
    np.put_along_axis(logits, grid[:, :, None].astype(int), 9 + rng.normal(size=(*GRID, 1)), axis=2)
    if planted:
        features[PATCH] = 8 + rng.normal(size=(6, 10, 8))
        logits[PATCH] = 0.1 * rng.normal(size=(6, 10, 19))
    maps = ClassMaps(torch.from_numpy(logits.transpose(2, 0, 1)[None].astype(np.float32)))
    roles = {"penultimate": torch.from_numpy(features.transpose(2, 0, 1)[None].astype(np.float32))}
    return SegmenterOutput(maps, roles), SemanticLabels(labels, CITYSCAPES_19)


def fitted(spec: str, seed: int = 0, classes: int = 6) -> Method:
    method = REGISTRY.method(spec)
    if method.needs().fit:
        method.begin_fit(CITYSCAPES_19, seed)
        again = True
        while again:
            for frame in range(3):
                output, labels = world(frame, classes=classes)
                method.update(output, [labels])
            again = method.end_pass()
        method.load(method.fitted())
    return method


def scores(method: Method, output: SegmenterOutput, upsample: str = "logits") -> np.ndarray:
    scoring = Scoring(upsample)  # type: ignore[arg-type]
    count = len(next(iter(output.features.values())))
    frames, _ = score_output(output, [SIZE] * count, {"it": method}, scoring)
    return np.stack([frame.scores["it"] for frame in frames])


def stacked(*outputs: SegmenterOutput) -> SegmenterOutput:
    maps = torch.cat([output.class_maps.values for output in outputs if output.class_maps])
    return SegmenterOutput(ClassMaps(maps), {"penultimate": torch.cat([o.features["penultimate"] for o in outputs])})


@pytest.mark.parametrize("upsample", ["logits", "score"])
@pytest.mark.parametrize("name", METHODS)
def test_maps_are_float32_finite_and_of_the_label_s_size(name: str, upsample: str) -> None:
    score = scores(fitted(name), world(10, planted=True)[0], upsample)
    assert score.shape == (1, *SIZE)
    assert score.dtype == np.float32
    assert np.isfinite(score).all()


@pytest.mark.parametrize("upsample", ["logits", "score"])
@pytest.mark.parametrize("name", METHODS)
def test_higher_is_more_anomalous(name: str, upsample: str) -> None:
    score = scores(fitted(name), world(10, planted=True)[0], upsample)[0]
    inside = np.zeros(SIZE, bool)
    inside[2 * 8 : 2 * 14, 2 * 20 : 2 * 30] = True
    assert np.median(score[inside]) > np.quantile(score[~inside], 0.95)


@pytest.mark.parametrize("name", METHODS)
def test_the_batch_changes_nothing(name: str) -> None:
    method = fitted(name)
    outputs = [world(seed, planted=seed == 11)[0] for seed in (10, 11, 12)]
    together = scores(method, stacked(*outputs))
    for index, output in enumerate(outputs):
        alone = scores(method, output)[0]
        assert np.abs(together[index] - alone).max() <= 1e-5 * max(1.0, np.abs(alone).max())


@pytest.mark.parametrize("name", METHODS)
def test_the_same_fit_and_frame_give_the_same_scores(name: str) -> None:
    first, second = (scores(fitted(name, seed=3), world(10)[0]) for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("name", METHODS)
def test_what_was_learned_is_all_that_scoring_needs(name: str) -> None:
    method = REGISTRY.method(name)
    if not method.needs().fit:
        assert method.fitted() == Fit({}, {})
        return
    first = fitted(name)
    fresh = REGISTRY.method(name)
    fresh.load(first.fitted())
    output, _ = world(10)
    assert np.array_equal(scores(first, output), scores(fresh, output))


def upsampled(output: SegmenterOutput) -> torch.Tensor:
    assert output.class_maps is not None
    return torch.nn.functional.interpolate(output.class_maps.values.double(), SIZE, mode="bilinear")[0]


def standardised(logits: torch.Tensor) -> torch.Tensor:
    """By the statistics of the frames that `fitted` takes; of all their pixels for a class on fewer than 50."""
    seen, classes = torch.stack([upsampled(world(seed)[0]) for seed in range(3)]).max(dim=1)
    best, predicted = logits.max(dim=0)
    score = torch.empty_like(best)
    for index in predicted.unique():
        own = seen[classes == index] if (classes == index).sum() >= 50 else seen
        here = predicted == index
        score[here] = (own.mean() - best[here]) / own.std(correction=0)
    return score


@pytest.mark.parametrize("name", METHODS)
def test_pixel_scores_equal_the_definition_on_whole_maps(name: str) -> None:
    """Against the equations at the top of each file, in double precision and without the shared pass."""
    without_postprocessing = {"sml": "sml:suppression=false,smoothing=false"}
    method = fitted(without_postprocessing.get(name, name))
    if not isinstance(method, PixelMethod):
        assert isinstance(method, GridMethod)
        return
    definitions: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "msp": lambda logits: 1 - logits.softmax(dim=0).amax(dim=0),
        "max-logit": lambda logits: -logits.amax(dim=0),
        "entropy": lambda logits: torch.special.entr(logits.softmax(dim=0)).sum(dim=0),
        "energy": lambda logits: -logits.logsumexp(dim=0),
        "sml": standardised,
    }
    output, _ = world(10, planted=True)
    expected = definitions[name](upsampled(output)).numpy()
    assert np.allclose(scores(method, output)[0], expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", METHODS)
def test_cards_and_parameters_are_described(name: str) -> None:
    method = REGISTRY.method(name)
    assert method.card.name == name
    assert all((method.card.title, method.card.paper, method.card.url))
    assert all(field.description for field in method.Params.model_fields.values())


# parameters


def test_knn_parameters_do_what_they_say() -> None:
    output, _ = world(10, planted=True)
    nearest, mean = (scores(fitted(f"knn:k={k}"), output) for k in (1, 9))
    assert (nearest <= mean + 1e-6).all()
    cosine = scores(fitted("knn"), output)
    assert cosine.min() >= 0
    assert cosine.max() <= 2
    small = fitted("knn:bank_size=60").fitted()
    assert len(small.tensors["bank"]) == 60


def test_knn_equals_a_search_by_hand() -> None:
    method = fitted("knn:k=3,metric=euclidean,bank_size=200")
    output, _ = world(10)
    queries = output.features["penultimate"][0].flatten(1).T
    distances = torch.cdist(queries.double(), method.fitted().tensors["bank"].double())
    expected = distances.topk(3, largest=False).values.mean(dim=1).view(GRID)
    assert isinstance(method, GridMethod)
    assert torch.allclose(method.grid_score(output)[0].double(), expected, atol=1e-3)


def test_knn_with_more_neighbours_than_pixels_is_an_error() -> None:
    method = REGISTRY.method("knn:k=50,bank_size=20")
    method.begin_fit(CITYSCAPES_19, 0)
    output, labels = world(0)
    method.update(output, [labels])
    with pytest.raises(DataError, match="20 labelled pixels; expected at least k = 50"):
        method.fitted()


def test_gmm_names_the_classes_that_are_rare_or_absent() -> None:
    method = REGISTRY.method("gmm-posthoc:minimum=50")
    method.begin_fit(CITYSCAPES_19, 0)
    output, labels = world(0, classes=4)
    rare = labels.values.copy()
    rare[:4, :10] = 7  # ten grid pixels of traffic sign
    method.update(output, [SemanticLabels(rare, CITYSCAPES_19)])
    fit = method.fitted()
    assert fit.facts["pooled_classes"] == ["traffic sign"]
    assert "train" in fit.facts["absent_classes"]
    assert len(fit.tensors["mean"]) == 5
    method.load(fit)
    assert np.isfinite(scores(method, output)).all()


@pytest.mark.parametrize("whiten", ["standardise", "within-class"])
def test_gmm_does_not_mind_the_features_scale(whiten: str) -> None:
    def scaled(factor: float) -> np.ndarray:
        method = REGISTRY.method(f"gmm-posthoc:whiten={whiten}")
        method.begin_fit(CITYSCAPES_19, 0)
        for seed in range(3):
            output, labels = world(seed)
            method.update(SegmenterOutput(None, {"penultimate": factor * output.features["penultimate"]}), [labels])
        method.load(method.fitted())
        output, _ = world(10, planted=True)
        features = {"penultimate": factor * output.features["penultimate"]}
        return scores(method, SegmenterOutput(output.class_maps, features))

    assert np.allclose(scaled(1.0), scaled(64.0), rtol=1e-3, atol=1e-2)


def test_gmm_without_labelled_pixels_is_an_error() -> None:
    method = REGISTRY.method("gmm-posthoc")
    method.begin_fit(CITYSCAPES_19, 0)
    with pytest.raises(DataError, match="no class has 50 labelled pixels"):
        method.fitted()


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
def test_a_wrong_specification_says_what_is_right(spec: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        REGISTRY.method(spec)
    assert message in str(caught.value)


def test_scores_that_are_not_finite_are_an_error() -> None:
    output, _ = world(10)
    assert output.class_maps is not None
    output.class_maps.values[0, 3, 5, 5] = torch.nan
    with pytest.raises(ScoreError, match="msp: 1 of 1152 scores are NaN or infinite"):
        scores(REGISTRY.method("msp"), output, "score")


def test_gmm_bears_dead_units_and_a_rare_class() -> None:
    method = REGISTRY.method("gmm-posthoc")
    method.begin_fit(CITYSCAPES_19, 0)
    output, labels = world(0, classes=4)
    features = output.features["penultimate"].clone()
    features[:, 3] = 0
    rare = labels.values.copy()
    rare[:4, :10] = 7
    method.update(SegmenterOutput(None, {"penultimate": features}), [SemanticLabels(rare, CITYSCAPES_19)])
    method.load(method.fitted())
    quiet = scores(method, SegmenterOutput(output.class_maps, {"penultimate": features}))
    assert np.isfinite(quiet).all()
    sparking = features.clone()
    sparking[:, 3, 5, 5] = 1e-3
    assert np.allclose(scores(method, SegmenterOutput(output.class_maps, {"penultimate": sparking})), quiet)


def test_knn_s_bank_is_drawn_from_all_frames() -> None:
    method = REGISTRY.method("knn:bank_size=190")
    method.begin_fit(CITYSCAPES_19, 0)
    for frame in range(30):
        _, labels = world(frame, classes=2)
        maps = torch.full((1, 1, *GRID), float(frame))
        method.update(SegmenterOutput(None, {"penultimate": maps}), [labels])
    frames = method.fitted().tensors["bank"][:, 0]
    assert len(frames.unique()) > 25
