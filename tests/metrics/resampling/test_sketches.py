"""Sketches compared with the exact metrics of their frames, original and resampled."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oodbench.metrics import PROTOCOLS, Evaluation, FrameValues, PixelSketch, Sketch, make_evaluation, sketch_from
from oodbench.types import AnomalyLabels

NAMES = ("AP", "FPR95", "AUROC")
Frames = list[tuple[np.ndarray, AnomalyLabels]]


def world(kind: str, count: int = 6) -> Frames:
    """Create frames with different levels and amounts of anomaly; the last one has none."""
    rng = np.random.default_rng(3)
    frames = []
    for index in range(count):
        share = 0.0 if index == count - 1 else 0.05 * rng.random() * (0.02 if kind == "rare" else 1)
        label = (rng.random((100, 200)) < share).astype(np.uint8)
        score = rng.normal(size=label.shape) + 0.5 * rng.normal() + (1 + rng.random()) * label
        if kind == "steps":
            score = np.round(3 * score)
        if kind == "saturated":
            score = np.minimum(score, 1.0)
        label[:3] = 255
        frames.append((score.astype(np.float32), AnomalyLabels(label)))
    return frames


def evaluate_frames(frames: Frames, protocol: str = "pooled") -> Evaluation:
    under = make_evaluation(PROTOCOLS[protocol])
    for score, labels in frames:
        under.update(score, labels)
    return under


def make_sketch(frames: Frames) -> PixelSketch:
    bins = evaluate_frames(frames).bins()
    assert bins is not None
    return PixelSketch(NAMES, bins, np.stack([bins.count(score, labels) for score, labels in frames]), 0.95)


def repeat_frames(frames: Frames, weights: np.ndarray) -> Frames:
    return [frame for frame, times in zip(frames, weights, strict=True) for _ in range(times)]


@pytest.mark.parametrize("kind", ["smooth", "rare", "steps", "saturated"])
def test_sketches_approximate_the_exact_metrics(kind: str) -> None:
    frames = world(kind)
    weights = np.array([[1, 1, 1, 1, 1, 1], [0, 3, 1, 1, 0, 1], [2, 0, 0, 0, 3, 1], [0, 0, 0, 6, 0, 0]])
    found = make_sketch(frames).metrics(weights)
    for index, times in enumerate(weights):
        exact = evaluate_frames(repeat_frames(frames, times)).metrics().values
        off = np.abs(found[:, index] - [exact[name] for name in NAMES])
        assert (off <= [5e-4, 1e-3, 1e-4]).all(), off


few = st.lists(st.sampled_from([-1.5, -0.0, 0.0, 0.25, 0.5]) | st.floats(-2, 2, width=32), min_size=4, max_size=60)


@given(few, st.data())
def test_with_few_distinct_scores_average_precision_and_fpr_are_exact(values: list[float], data: st.DataObject) -> None:
    score = np.array(values, np.float32)[None]
    drawn = st.lists(st.sampled_from([0, 1, 255]), min_size=score.size, max_size=score.size)
    label = np.array(data.draw(drawn.filter(lambda kinds: 0 in kinds and 1 in kinds)), np.uint8)[None]
    half = score.size // 2
    frames = [(score[:, part], AnomalyLabels(label[:, part])) for part in (slice(half), slice(half, None))]
    sketch = make_sketch(frames)
    whole = evaluate_frames(frames).metrics().values
    assert sketch.metrics()[:, 0] == pytest.approx([whole[name] for name in NAMES], abs=1e-9)
    twice = evaluate_frames(repeat_frames(frames, np.array([1, 2]))).metrics().values
    assert sketch.metrics(np.array([[1, 2]]))[:2, 0] == pytest.approx([twice["AP"], twice["FPR95"]], abs=1e-9)


def test_each_valid_pixel_is_counted_in_its_bin() -> None:
    frames = world("steps")
    bins = evaluate_frames(frames).bins()
    assert bins is not None
    score, labels = frames[0]
    counts = bins.count(score, labels)
    assert counts.sum(axis=1).tolist() == [(labels.values == 0).sum(), (labels.values == 1).sum()]
    best = max(score[labels.values == 1].max() for score, labels in frames[:-1])
    # The first bin contains all pixels with at least the highest anomalous score.
    assert counts[0, 0] == ((labels.values == 0) & (score >= best)).sum()


def test_metrics_without_anomalies_are_undefined() -> None:
    frames = [world("smooth")[-1]] * 2
    sketch = make_sketch(frames)
    assert sketch.bins.single.size == 1
    assert np.isnan(sketch.metrics()).all()


def test_frames_of_a_group_are_merged() -> None:
    sketch = make_sketch(world("smooth"))
    grouped = sketch.group(["a", "b", "a", "c", "b", "c"])
    assert grouped.units == 3
    weights = np.array([[2, 0, 1]])
    assert grouped.metrics(weights) == pytest.approx(sketch.metrics(weights[:, [0, 1, 0, 2, 1, 2]]), abs=1e-12)


def test_means_over_frames_are_exact() -> None:
    frames = world("smooth")
    values = evaluate_frames(frames, "caos").frame_values()
    assert values is not None
    weights = np.array([2, 0, 1, 1, 1, 1])
    exact = evaluate_frames(repeat_frames(frames, weights), "caos").metrics().values
    assert values.metrics(weights[None])[:, 0] == pytest.approx([exact[name] for name in values.names], abs=1e-12)
    assert values.group(["a"] * 6).units == 1


def test_protocols_with_separate_bins_per_frame_have_no_sketch() -> None:
    under = evaluate_frames(world("smooth"), "smiyc")
    assert under.bins() is None
    assert under.frame_values() is None


@pytest.mark.parametrize("kind", ["pixels", "frames"])
def test_a_sketch_is_restored_from_arrays(kind: str) -> None:
    frames = world("smooth")
    sketch: Sketch | None = make_sketch(frames) if kind == "pixels" else evaluate_frames(frames, "caos").frame_values()
    assert sketch is not None
    arrays = sketch.arrays()
    back = sketch_from(arrays)
    assert isinstance(back, PixelSketch if kind == "pixels" else FrameValues)
    assert back.names == sketch.names
    assert (back.metrics() == sketch.metrics()).all()
    assert sketch_from(arrays | {"version": np.array(0)}) is None


def compute_with_numpy(sketch: PixelSketch, weights: np.ndarray) -> np.ndarray:
    """Compute the metrics as `PixelSketch` does, one array operation after the other."""
    counts = np.tensordot(weights.astype(float), sketch.counts.astype(float), 1)
    normal, here = counts[:, 0], counts[:, 1]
    true, false = here.cumsum(axis=1), normal.cumsum(axis=1)
    positive, negative, before = true[:, -1:], false[:, -1:], false - normal
    rank = true - np.where(sketch.bins.single, 0.0, np.maximum(here - 1, 0) / 2)
    above = before + sketch.bins.passed * normal
    share = np.divide(rank, rank + above, out=np.zeros_like(rank), where=rank > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        at = np.argmax(true / positive >= sketch.tpr, axis=1)[:, None]
        inside, start = (np.take_along_axis(values, at, 1) for values in (here, true - here))
        needed = np.ceil(sketch.tpr * positive - start - 1e-6)
        gone = np.where(sketch.bins.single[at], 1.0, (needed / inside).clip(0, 1))
        reached = np.take_along_axis(before, at, 1) + gone * np.take_along_axis(normal, at, 1)
        rates = np.where(positive > 0, reached / negative, np.nan)
        wrong = np.einsum("bk,bk->b", here, before + sketch.bins.wrong * normal)
        average = np.einsum("bk,bk->b", here, share) / positive[:, 0]
        return np.stack([average, rates[:, 0], 1 - wrong / (positive * negative)[:, 0]])


@pytest.mark.parametrize("kind", ["smooth", "rare", "steps", "saturated"])
def test_the_compiled_loop_has_the_bits_of_numpy(kind: str) -> None:
    sketch = make_sketch(world(kind))
    weights = np.random.default_rng(5).multinomial(6, np.full(6, 1 / 6), size=70)
    weights[:2] = [[0, 0, 0, 0, 0, 6], [0, 0, 0, 0, 0, 0]]  # no anomalous pixels; no pixels
    np.testing.assert_array_equal(sketch.metrics(weights), compute_with_numpy(sketch, weights))
