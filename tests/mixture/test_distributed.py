"""Two processes over gloo, compared with one process that has both batches."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import distributed, multiprocessing

from oodbench.mixture import AUTHORS, PAPER, OnlineMixture

CLASSES, COMPONENTS, DIMENSIONS, STEPS = 4, 3, 5, 7
PRESETS = {
    "authors": replace(AUTHORS, memory=60, samples=6),
    "paper": replace(PAPER, memory=90, samples=6, mean_momentum=0.7, spread_momentum=0.6),
}
Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def make_batch(step: int, rank: int) -> Batch:
    """Create unit vectors, labels, and correctness of the classification; one class exists on one rank only."""
    generator = torch.Generator().manual_seed(100 * step + rank)
    count = 0 if (step, rank) == (3, 1) else 40 + 17 * rank + step
    labels = torch.randint(0, CLASSES - 1 + rank, (count,), generator=generator)
    points = torch.randn(count, DIMENSIONS, generator=generator) + labels[:, None]
    right = torch.rand(count, generator=generator) < 0.8
    return torch.nn.functional.normalize(points, dim=1), labels, right


def make_mixture(preset: str) -> OnlineMixture:
    torch.manual_seed(0)
    return OnlineMixture(CLASSES, COMPONENTS, DIMENSIONS, PRESETS[preset])


def run_rank(index: int, folder: Path) -> None:
    """Run one of the two processes on its own batches, and write the final state to a file."""
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=index, world_size=2)
    result = {}
    for preset in PRESETS:
        own, shares = make_mixture(preset), []
        torch.manual_seed(index)  # random numbers of the second rank must have no effect
        for step in range(STEPS):
            points, labels, right = make_batch(step, index)
            shares.append(own.assign(own.log_density(points), labels))
            own.step(points, labels, shares[-1], right)
        result[preset] = {"state": own.state_dict(), "shares": shares}
    distributed.destroy_process_group()
    torch.save(result, folder / f"{index}.pt")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    folder = tmp_path_factory.mktemp("ranks")
    multiprocessing.spawn(run_rank, (folder,), nprocs=2)
    return [torch.load(folder / f"{index}.pt") for index in range(2)]


def run_joined(preset: str, *, emulated: bool) -> tuple[OnlineMixture, list[list[torch.Tensor]]]:
    """Run one process on the joined batches; if `emulated`, assign the points of each rank separately."""
    own, shares = make_mixture(preset), []
    torch.manual_seed(0)
    for step in range(STEPS):
        parts = [make_batch(step, index) for index in range(2)]
        points, labels, right = (torch.cat(column) for column in zip(*parts, strict=True))
        sizes = [len(part[1]) for part in parts]
        density = own.log_density(points)
        if emulated:
            parts = zip(density.split(sizes), labels.split(sizes), strict=True)
            share = torch.cat([own.assign(*part) for part in parts])
        else:
            share = own.assign(density, labels)
        own.step(points, labels, share, right)
        shares.append(list(share.split(sizes)))
    return own, shares


@pytest.mark.slow
@pytest.mark.parametrize(("preset", "emulated"), [("paper", False), ("authors", True)])
def test_two_ranks_equal_one_process(results: list[dict], preset: str, emulated: bool) -> None:
    own, shares = run_joined(preset, emulated=emulated)
    wanted = own.state_dict()
    for index, result in enumerate(results):
        for step in range(STEPS):
            assert torch.allclose(result[preset]["shares"][step], shares[step][index], atol=2e-6), (index, step)
        for name, value in wanted.items():
            if name == "occupancy" and emulated:
                continue  # the emulation assigns twice per step, so it counts twice
            assert torch.allclose(result[preset]["state"][name], value, atol=2e-6), (index, name)
    assert int(own.memory.pointer.sum()) > 0


@pytest.mark.parametrize("preset", PRESETS)
def test_both_ranks_have_bit_identical_mixtures(results: list[dict], preset: str) -> None:
    first, second = (result[preset]["state"] for result in results)
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_the_assignment_of_the_authors_is_per_rank(results: list[dict]) -> None:
    _, joined = run_joined("authors", emulated=False)
    first = results[0]["authors"]["shares"]
    assert any(not torch.equal(first[step], joined[step][0]) for step in range(STEPS))
