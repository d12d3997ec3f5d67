"""A batch for which the memory of a GPU is not enough is halved once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oodbench.contracts import Scoring
from oodbench.environment import HALVED, describe_differences, join_environments
from oodbench.errors import ModelError
from oodbench.planning.plan import Plan, make_plan
from oodbench.planning.request import Request
from oodbench.progress import Silent
from oodbench.registry import Registry
from oodbench.stages.score_batches import BatchOutcome, BatchScorer, BatchTask, ScoreJob


@pytest.fixture
def plan(place: Path) -> Plan:
    request = Request.of(models=("network.onnx",), methods=("msp",), benchmarks=("road-anomaly",), data=("downloads",))
    return make_plan(request, Registry(), Silent())


def score(plan: Plan, *sizes: int) -> list[BatchOutcome]:
    (network,), (key,) = plan.networks.values(), plan.scorers
    records = dict(enumerate(plan.record.benchmarks[0].frames))
    frames = {index: plan.frames[record.digest] for index, record in records.items()}
    job = ScoreJob(network.name, "road-anomaly", Scoring(), (key,), {}, frozenset(records), frozenset(), {})
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    tasks = [BatchTask(range(start, start + size), (key,)) for start, size in zip(starts, sizes, strict=True)]
    return [*BatchScorer(job, network, plan.scorers, records, frames).score(tasks)]


def limit_memory(plan: Plan, images: int, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the network's device have memory for this number of images."""
    (network,) = plan.networks.values()
    forward = network.forward

    def limited(batch: Sequence[Any], needs: Any) -> Any:
        if len(batch) > images:
            raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return forward(batch, needs)

    monkeypatch.setattr(network, "device", device)
    monkeypatch.setattr(network, "forward", limited)


def test_halves(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = score(plan, 1, 2)
    limit_memory(plan, 1, "cuda", monkeypatch)
    halved = score(plan, 1, 2)
    assert [outcome.positions for outcome in halved] == [range(1), range(1, 3)]
    for outcome, other in zip(halved, whole, strict=True):
        for frame, same in zip(outcome.frames, other.frames, strict=True):
            np.testing.assert_allclose([*frame.maps.values()], [*same.maps.values()], rtol=1e-5)
    assert HALVED not in halved[0].environment
    (warning,) = describe_differences(halved[1].environment)
    assert warning.startswith("batches were halved because the memory of the GPU was not enough")


@pytest.mark.parametrize(("images", "device"), [(0, "cuda"), (1, "cpu")])
def test_halved_only_once_and_only_on_a_gpu(
    plan: Plan, images: int, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_memory(plan, images, device, monkeypatch)
    with pytest.raises(ModelError, match="not enough memory"):
        score(plan, 3)


def test_mixed_devices_are_a_warning() -> None:
    mixed = join_environments([{"gpu": "A100", "device": "cuda"}, {"gpu": "H100", "device": "cuda"}])
    assert describe_differences(mixed) == [
        "frames were scored with different values of gpu (A100 or H100): last digits can differ"
    ]
