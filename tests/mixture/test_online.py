"""Running sums of the memory, choice of points, and balanced assignment."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from oodbench.mixture import AUTHORS, PAPER, Memory, OnlineMixture, balanced_responsibilities
from oodbench.mixture.online import _choose


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("parts", [1, 3])
def test_running_sums_equal_the_sums_of_the_stored_points(half: bool, parts: int) -> None:
    torch.manual_seed(0)
    memory = Memory(4, 7, 5, parts, half=half)
    written: list[list[torch.Tensor]] = [[] for _ in range(4)]
    for _ in range(30):
        rings = torch.randint(0, 4, (9,))
        order = torch.tensor([int((rings[:index] == rings[index]).sum()) for index in range(9)])
        keep = order < 7
        points, shares = torch.randn(9, 5), torch.rand(9, parts)
        memory.put(rings[keep], order[keep], points[keep], shares[keep])
        for ring, point in zip(rings[keep].tolist(), points[keep], strict=True):
            written[ring] = [*written[ring], point][-7:]
    x, weight = memory.points.double(), memory.shares.double()
    assert torch.allclose(memory.mass, weight.sum(dim=1), atol=1e-12)
    assert torch.allclose(memory.first, torch.einsum("gsp,gsd->gpd", weight, x), atol=1e-12)
    assert torch.allclose(memory.second, torch.einsum("gsp,gsd->gpd", weight, x.square()), atol=1e-12)
    for ring in range(4):
        stored = sorted(memory.points[ring].float().tolist())
        latest = sorted(torch.stack(written[ring]).to(memory.points.dtype).float().tolist())
        assert stored == latest
    assert torch.equal(memory.fullness(), torch.ones(4))


def test_fullness_counts_only_written_points() -> None:
    memory = Memory(2, 10, 3)
    memory.put(torch.tensor([1, 1]), torch.tensor([0, 1]), torch.ones(2, 3), torch.ones(2, 1))
    assert memory.fullness().tolist() == [0.0, pytest.approx(0.2)]


@pytest.mark.parametrize("count", [1, 19, 20, 21, 47, 200])
def test_evenly_spaced_points_are_at_truncated_positions(count: int) -> None:
    rings = torch.tensor([1] * count + [0] * 3)
    chosen, order = _choose(rings, 3, 20, spaced=True)
    mine = chosen[rings[chosen] == 1].tolist()
    wanted = list(range(count)) if count <= 20 else [index * (count - 1) // 19 for index in range(20)]
    assert mine == wanted
    assert order[rings[chosen] == 1].tolist() == list(range(len(wanted)))
    assert chosen[rings[chosen] == 0].tolist() == [count, count + 1, count + 2]


def test_random_points_are_a_sample_without_replacement() -> None:
    torch.manual_seed(3)
    rings = torch.arange(400) % 4
    chosen, _ = _choose(rings, 4, 20, spaced=False)
    assert len(set(chosen.tolist())) == 80
    assert torch.bincount(rings[chosen]).tolist() == [20] * 4


def test_joint_assignment_equals_separate_assignment_per_class() -> None:
    torch.manual_seed(1)
    mixture = OnlineMixture(3, 4, 6, replace(PAPER, memory=10))
    labels = torch.randint(0, 3, (60,))
    density = 3 * torch.randn(60, 3, 4)
    shares = mixture.assign(density, labels)
    for index in range(3):
        mine = labels == index
        alone = balanced_responsibilities(density[mine, index], iterations=3)
        assert torch.allclose(shares[mine], alone, atol=1e-6)
    assert torch.allclose(shares.sum(dim=1), torch.ones(60), atol=1e-6)


def test_hard_assignment_uses_all_components_evenly() -> None:
    torch.manual_seed(1)
    mixture = OnlineMixture(1, 5, 8, replace(AUTHORS, memory=10))
    density = torch.randn(500, 1, 5) + torch.tensor([2.0, 0, 0, 0, 0])
    shares = mixture.assign(density, torch.zeros(500, dtype=torch.int64))
    assert set(shares.unique().tolist()) == {0.0, 1.0}
    assert (shares.sum(dim=0) > 50).all(), "no component takes all, none goes empty"


def test_estimation_runs_at_its_interval_for_present_classes_only() -> None:
    torch.manual_seed(1)
    mixture = OnlineMixture(3, 2, 4, replace(AUTHORS, memory=8))
    before = mixture.mean.clone()
    labels = torch.tensor([0, 0, 2, 2])
    for _ in range(11):
        points = torch.nn.functional.normalize(torch.randn(4, 4), dim=1)
        shares = mixture.assign(mixture.log_density(points), labels)
        mixture.step(points, labels, shares, torch.ones(4, dtype=torch.bool))
    assert int(mixture.estimations) == 3
    moved = (mixture.deviation != 1).flatten(1).any(dim=1)
    assert moved.tolist() == [True, False, True]
    assert np.allclose(mixture.mean[1], torch.nn.functional.normalize(before[1], dim=1))


def test_under_autocast_the_density_stays_float32() -> None:
    # In training, each use normalises the means to unit length again.
    mixture = OnlineMixture(3, 2, 4, replace(AUTHORS, memory=8)).eval()
    points = torch.nn.functional.normalize(torch.randn(5, 4), dim=1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = mixture.log_density(points.bfloat16())
        inside_same = mixture.log_density(points)
    assert inside.dtype == torch.float32
    assert torch.equal(inside_same, mixture.log_density(points))
