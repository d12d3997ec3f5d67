"""The scores of one frame without their places, from which every metric of pixels can be computed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oodbench.errors import ScoreError
from oodbench.metrics import POOLED, PROTOCOLS, FrameScores, PixelCounts, group_scores, make_evaluation, pixel_metrics
from oodbench.metrics.breakdown import CLASSES, BreakdownCounts
from oodbench.metrics.counting import kernels
from oodbench.metrics.resampling.sketch_thresholds import choose_bins
from oodbench.types import AnomalyLabels

SHAPE = (40, 60)


class LabelledFrame(NamedTuple):
    score: np.ndarray
    labels: AnomalyLabels
    prediction: np.ndarray
    regions: np.ndarray
    groups: np.ndarray


def make_frame(kind: str, seed: int = 0) -> LabelledFrame:
    rng = np.random.default_rng(seed)
    label = rng.choice(np.array([0, 0, 0, 0, 1, 255], np.uint8), SHAPE)
    score = (rng.normal(size=SHAPE) + (label == 1)).astype(np.float32)
    if kind == "smooth":
        score = np.cumsum(score, axis=1, dtype=np.float32) / np.float32(30)
    elif kind == "tied":
        score = (np.round(score * 3) / 3).astype(np.float32)
    elif kind == "float16":
        score = score.astype(np.float16).astype(np.float32)
    elif kind == "infinite":
        score[rng.random(SHAPE) < 0.1] = np.inf
        score[rng.random(SHAPE) < 0.1] = -np.inf
    elif kind == "negative zero":
        score[rng.random(SHAPE) < 0.3] = -0.0
        score[rng.random(SHAPE) < 0.3] = 0.0
    elif kind == "all void":
        label[:] = 255
    elif kind == "no anomaly":
        label[label == 1] = 0
    elif kind == "only anomalies":
        label[:] = 1
    elif kind == "NaN in void":
        score[label == 255] = np.float32(np.nan)
        score[0] = -score[0]
    elif kind == "empty":
        score, label = score[:0], label[:0]
    prediction = rng.integers(0, 19, score.shape, np.uint8)
    regions = np.where(label == 1, rng.integers(1, 5, score.shape), 0).astype(np.int32)
    return LabelledFrame(score, AnomalyLabels(label), prediction, regions, rng.integers(0, 7, (5, 2), np.uint8))


KINDS = [
    "iid", "smooth", "tied", "float16", "infinite", "negative zero", "all void", "no anomaly", "only anomalies",
    "NaN in void", "empty",
]  # fmt: skip


def describe_segments(scores: FrameScores) -> Iterator[object]:
    """Yield the content of scores without the order within segments and of anomalous pixels."""
    for part in (scores.normal, scores.void):
        yield from (part.bucket.tolist(), part.group.tolist(), part.size.tolist(), np.sort(part.keys).tolist())
        yield part.repeats.tolist()
    yield from (scores.predicted, scores.half_precision)
    yield sorted(zip(scores.key.tolist(), scores.group.tolist(), strict=True))


def evaluate(protocol: str, frames: list[tuple[np.ndarray, AnomalyLabels]]) -> object:
    evaluation = make_evaluation(PROTOCOLS[protocol])
    try:
        for score, labels in frames:
            evaluation.update(score, labels)
        metrics = evaluation.metrics()
    except (ScoreError, RuntimeWarning, ValueError) as error:  # numpy computes no percentiles of infinite scores
        return str(error)
    values = [*metrics.values.items(), metrics.best_f1, metrics.best_f1_threshold, metrics.largest_tie]
    return str(values).replace("-0.0,", "0.0,"), metrics.undefined, metrics.counts


@pytest.mark.parametrize("kind", KINDS)
def test_every_protocol_can_be_computed_from_the_scores(kind: str) -> None:
    frames = [make_frame(kind), make_frame(kind, 1), make_frame("iid", 2)]
    stored = [group_scores(*frame[:4]).arrays() for frame in frames]
    restored = [FrameScores.from_arrays(arrays).pixels() for arrays in stored]
    for protocol in PROTOCOLS:
        expected = evaluate(protocol, [frame[:2] for frame in frames])
        assert evaluate(protocol, [(score, AnomalyLabels(label)) for score, label in restored]) == expected


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("predicted", [False, True])
def test_plain_numpy_gives_the_same_scores(kind: str, predicted: bool) -> None:
    score, labels, prediction, _, _ = make_frame(kind)
    prediction = prediction if predicted else None
    one, other = (group_scores(score, labels, prediction, compiled=compiled) for compiled in (True, False))
    assert list(describe_segments(one)) == list(describe_segments(other))


@pytest.mark.parametrize("kind", KINDS)
def test_counts_of_scores_equal_those_of_the_map(kind: str) -> None:
    if kind == "empty":
        return
    frame = make_frame(kind)
    values = frame.labels.values
    for void_counts in (False, True):
        if void_counts and kind == "NaN in void":
            continue
        label = np.where(values == 255, 0, values).astype(np.uint8) if void_counts else values
        expected, counts = PixelCounts(), PixelCounts()
        expected.update(frame.score, AnomalyLabels(label))
        counts.add(group_scores(*frame[:4]), void_as_in_distribution=void_counts)
        assert str(pixel_metrics(counts, POOLED)) == str(pixel_metrics(expected, POOLED))


def test_pixel_counts_keep_the_scores_without_a_copy() -> None:
    scores = group_scores(*make_frame("iid")[:3])
    counts = PixelCounts()
    counts.add(scores)
    assert counts._normal[0].low is scores.normal.low


def brute_force_counts(counts: BreakdownCounts, frames: list[LabelledFrame]) -> dict[str, np.ndarray]:
    """Count the pixels one by one."""
    lowest = counts.bins.edges
    found = {name: np.zeros_like(getattr(counts, name)) for name in ("fine", "found", "mistaken", "pool", "called")}
    order = sorted(counts.thresholds.values(), reverse=True)
    for score, labels, prediction, regions, groups in frames:
        for index in np.ndindex(score.shape):
            label = labels.values[index]
            if label > 1:
                continue
            bits = (score[index] + np.float32(0)).view(np.uint32)
            key = ~bits if bits >> 31 else bits | np.uint32(1 << 31)
            place = int((lowest > key).sum())
            level = sum(score[index] < np.float32(threshold) for threshold in order)
            found["pool"][label, place] += 1
            found["called"][label, level] += 1
            if not label:
                found["mistaken"][prediction[index], level] += 1
                continue
            for row in (*groups[regions[index]], counts.groups + prediction[index]):
                found["fine"][row, place] += 1
                found["found"][row, level] += 1
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_the_breakdown_equals_a_count_of_the_pixels(kind: str) -> None:
    frames = [make_frame(kind), make_frame("iid", 1)]
    counts = PixelCounts()
    for frame in frames:
        counts.update(frame.score, frame.labels)
    bins = choose_bins(counts.points(), counts.positive, counts.negative, 0.95)
    breakdown = BreakdownCounts(bins, {"test": 0.5, "calibrated": -0.25, "zero": 0.0}, 7)
    together = [breakdown.add(group_scores(*frame[:4]), frame.groups) for frame in frames]
    for name, expected in brute_force_counts(breakdown, frames).items():
        assert np.array_equal(getattr(breakdown, name), expected), name
    for frame, counted in zip(frames, together, strict=True):
        assert np.array_equal(bins.count_frame(group_scores(frame.score, frame.labels)), counted)
    assert breakdown.fine.shape[0] == 7 + CLASSES


@pytest.mark.parametrize("edges", [0, 1, 3, kernels._FEW, kernels._FEW + 1, 200])
@pytest.mark.parametrize("half", [False, True])
def test_segments_are_counted_in_bins_of_any_number_per_bucket(edges: int, half: bool) -> None:
    rng = np.random.default_rng(edges)
    score = (1 + rng.random((30, 40)) / 50).astype(np.float32)  # in three buckets
    score = score.astype(np.float16).astype(np.float32) if half else score
    scores = group_scores(score, AnomalyLabels(np.zeros(score.shape, np.uint8)))
    chosen = np.unique(scores.normal.keys)[:: max(1, 1200 // max(edges, 1))][:edges].copy()
    first = np.searchsorted(chosen >> 16, np.arange(kernels.BUCKETS + 1)).astype(np.int64)
    counts = np.zeros((1, chosen.size + 1), np.int64)
    scores.normal.count_in_bins(chosen, first, counts)
    values = scores.pixels()[0].view(np.uint32) | np.uint32(1 << 31)
    place = chosen.size - np.searchsorted(chosen, values, side="right")
    assert counts[0].tolist() == np.bincount(place, minlength=chosen.size + 1).tolist()


@given(st.lists(st.floats(width=32) | st.sampled_from([-0.0, 0.0, math.inf, -math.inf]), max_size=40), st.data())
def test_the_pixels_are_those_of_the_map(values: list[float], data: st.DataObject) -> None:
    score = np.array(values, np.float32)
    label = np.array(data.draw(st.lists(st.sampled_from([0, 1, 255]), min_size=len(values), max_size=len(values))))
    label = np.where(np.isnan(score), 255, label).astype(np.uint8)
    found, kinds = group_scores(score, AnomalyLabels(label)).pixels()
    pairs = zip(np.nan_to_num(found, nan=7e37).tolist(), kinds.tolist(), strict=True)
    assert sorted(pairs) == sorted(zip(np.nan_to_num(score, nan=7e37).tolist(), label.tolist(), strict=True))


@pytest.mark.parametrize("label", [0, 1])
def test_nan_scores_of_valid_pixels_are_errors(label: int) -> None:
    labels = AnomalyLabels(np.array([255, label, 0], np.uint8))
    for sign in (1, -1):
        for other in (0.5, 0.1):  # half precision and not
            score = np.array([np.nan, sign * np.nan, other], np.float32)
            with pytest.raises(ScoreError, match="1 of 2 valid pixels score NaN"):
                group_scores(score, labels)
            scores = group_scores(score, AnomalyLabels(np.array([255, 255, 0], np.uint8)))
            assert scores.void.count_nan() == 2
            with pytest.raises(ScoreError, match="2 of 3 valid pixels score NaN"):
                PixelCounts().add(scores, void_as_in_distribution=True)
    infinite = group_scores(np.array([np.inf, -np.inf, 0.1], np.float32), labels)
    assert infinite.normal.count_nan() == 0


def test_maps_of_other_shapes_are_errors() -> None:
    score, labels, prediction, regions, _ = make_frame("iid")
    with pytest.raises(ScoreError, match=r"the prediction is \(39, 60\) and the score map is \(40, 60\)"):
        group_scores(score, labels, prediction[1:])
    with pytest.raises(ScoreError, match=r"the map of regions is \(40, 59\)"):
        group_scores(score, labels, prediction, regions[:, 1:])


def test_threads_can_group_scores_at_the_same_time() -> None:
    frames = [make_frame(kind, seed) for seed in range(8) for kind in ("smooth", "float16", "infinite")]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda frame: group_scores(*frame[:4]), frames))
    for frame, scores in zip(frames, together, strict=True):
        assert list(describe_segments(scores)) == list(describe_segments(group_scores(*frame[:4])))


@pytest.mark.parametrize("kind", ["iid", "float16"])
def test_damaged_arrays_are_errors(kind: str) -> None:
    intact = group_scores(*make_frame(kind)[:4]).arrays()
    assert FrameScores.from_arrays(intact).arrays().keys() == intact.keys()
    for name, values in intact.items():
        shorter = values[:-1]
        changed: list[np.ndarray | None] = [None, shorter, values.astype(np.float64), values[None]]
        if name.endswith(("size", "repeats")) and values.size:
            changed.append(np.zeros_like(values))
        if name.endswith("bucket"):
            changed.append(values[::-1].copy())
        if name == "region":
            changed.append(values - 100)
        if name == "flags":
            changed += [~values, np.array([False, values[1]]), np.array([True, not values[1]])]
        if name == "key":
            changed.append(np.full_like(values, 0xFFFFFFFF))
        for other in changed:
            if other is not None and other.size == values.size == 0 and other.dtype == values.dtype and other.ndim == 1:
                continue
            damaged = {key: array for key, array in intact.items() if key != name}
            with pytest.raises(ValueError, match=r"array|expected|order|group|NaN|match|precision"):
                FrameScores.from_arrays(damaged if other is None else {**damaged, name: other})
