"""Counting in tensors, compared with the compiled loops on every available device."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oodbench.errors import ScoreError
from oodbench.metrics import PROTOCOLS, PixelCounts, make_evaluation, pixel_metrics
from oodbench.metrics.evaluation import Count
from oodbench.stages.gpu_counts import count_on_device, find_counter, make_counter
from oodbench.types import AnomalyLabels
from tests.helpers.devices import DEVICES
from tests.helpers.fake_benchmarks import numbers, small_run

scores = st.lists(
    st.sampled_from([-math.inf, -1.5, -0.0, 0.0, 0.25, 0.5, 1e-40, -1e-40, math.inf])
    | st.floats(-2, 2, width=16)
    | st.floats(width=32, allow_nan=False),
    min_size=1,
    max_size=60,
)
half_scores = st.lists(st.floats(width=16, allow_nan=False), min_size=1, max_size=60)


def frame(values: list[float], data: st.DataObject) -> tuple[np.ndarray, AnomalyLabels]:
    kinds = st.sampled_from([0, 1, 2, 255])
    labels = data.draw(st.lists(kinds, min_size=len(values), max_size=len(values)))
    return np.array([values], np.float32), AnomalyLabels(np.array([labels], np.uint8))


def states_equal(one: PixelCounts, other: PixelCounts) -> bool:
    """Return whether states are bit-identical, except for the irrelevant order in buckets and of anomalous keys."""
    arrays, others = one.arrays(), other.arrays()
    assert sorted(arrays) == sorted(others)
    edges = np.cumsum(arrays["sizes"])[:-1]
    for content in (arrays, others):
        content["positive"].sort()
        content["low"] = np.concatenate([np.sort(part) for part in np.split(content["low"], edges)])
    return all(np.array_equal(arrays[name], others[name]) for name in arrays)


@pytest.mark.parametrize("device", DEVICES)
@given(values=scores | half_scores, data=st.data())
def test_states_equal_those_of_the_compiled_loops(device: str, values: list[float], data: st.DataObject) -> None:
    score, labels = frame(values, data)
    expected = PixelCounts()
    expected.update(score, labels)
    counted = count_on_device(torch.from_numpy(score).to(device), torch.from_numpy(labels.values).to(device))
    assert states_equal(counted, expected)


@pytest.mark.parametrize("device", DEVICES)
def test_states_from_gpu_and_cpu_can_be_merged(device: str) -> None:
    rng = np.random.default_rng(0)
    together, expected = PixelCounts(), PixelCounts()
    for index in range(6):
        score = rng.normal(size=(40, 50)).astype(np.float32)
        score = np.round(score, 1).astype(np.float16).astype(np.float32) if index % 3 == 0 else score
        labels = AnomalyLabels(rng.choice(np.array([0, 0, 0, 1, 255], np.uint8), (40, 50)))
        expected.update(score, labels)
        if index % 2:
            together.update(score, labels)
        else:
            together.merge([make_counter(device)(score, labels)])
    pooled = PROTOCOLS["pooled"]
    assert pixel_metrics(together, pooled) == pixel_metrics(expected, pooled)


@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
def test_every_protocol_gives_the_same_metrics(protocol: str) -> None:
    rng = np.random.default_rng(1)
    here, there = make_evaluation(PROTOCOLS[protocol]), make_evaluation(PROTOCOLS[protocol], make_counter("cpu"))
    for _ in range(3):
        labels = AnomalyLabels(rng.choice(np.array([0, 0, 0, 1, 255], np.uint8), (40, 50)))
        score = (rng.normal(size=(40, 50)) + (labels.values == 1)).astype(np.float32)
        here.update(score, labels)
        there.update(score, labels)
    assert here.metrics() == there.metrics()


def test_nan_scores_of_valid_pixels_are_errors() -> None:
    score = torch.tensor([[math.nan, math.nan, 0.5]])
    with pytest.raises(ScoreError, match="1 of 2 valid pixels score NaN"):
        count_on_device(score, torch.tensor([[255, 1, 0]], dtype=torch.uint8))
    assert count_on_device(score, torch.tensor([[255, 255, 0]], dtype=torch.uint8)).void == 2


def test_wrong_shapes_and_dtypes_are_errors() -> None:
    labels = torch.zeros(1, 3, dtype=torch.uint8)
    for score in (torch.zeros(1, 3, dtype=torch.float64), torch.zeros(3, 1)):
        with pytest.raises(ScoreError, match=r"expected float32 and the same shape"):
            count_on_device(score, labels)


def test_a_run_counts_on_the_gpu_of_its_network(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_counter("cpu") is None
    assert find_counter("none") is None
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert find_counter("cuda") is None
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert find_counter("cuda") is not None


def test_results_do_not_depend_on_the_counter(
    network_file: Path, road_anomaly: Path, cityscapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = small_run(network_file, road_anomaly.parent, tmp_path / "here", methods=["msp", "knn"])
    asked: list[str] = []

    def in_tensors(device: str) -> Count:
        asked.append(device)
        return make_counter("cpu")

    monkeypatch.setattr("oodbench.stages.evaluate.find_counter", in_tensors)
    there = small_run(network_file, road_anomaly.parent, tmp_path / "there", methods=["msp", "knn"])
    assert asked == ["cpu", "cpu"]
    assert numbers(there) == numbers(here)
