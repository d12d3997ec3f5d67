"""Requirements at full size: memory for gradients, precision, GPU waits, drift, and the size of released weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode

from oodbench.methods.gmmseg.head import GMMSegHead, GMMSegModule
from oodbench.mixture import AUTHORS, Memory, OnlineMixture, component_log_density

DIMENSIONS = 6


def make_state(classes: int, components: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Create means and variances in double precision."""
    generator = torch.Generator().manual_seed(1)
    shape = (classes, components, DIMENSIONS)
    mean = torch.randn(shape, generator=generator, dtype=torch.float64)
    return mean, 0.3 + torch.rand(shape, generator=generator, dtype=torch.float64)


def test_the_gradient_of_the_density_equals_finite_differences() -> None:
    points = torch.randn(7, DIMENSIONS, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    mean, variance = make_state(3, 2)
    assert torch.autograd.gradcheck(lambda x: component_log_density(x, mean, variance), points.requires_grad_())


def test_the_backward_pass_saves_only_the_points() -> None:
    points = torch.randn(1000, DIMENSIONS, requires_grad=True)
    kept: list[torch.Tensor] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor)
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        density = component_log_density(points, *make_state(3, 2))
    assert density.requires_grad
    assert [list(tensor.shape) for tensor in kept] == [[1000, 6], [6], [12, 6]]
    assert kept[0].data_ptr() == points.data_ptr(), "x, and no copy of it"


@pytest.mark.parametrize("preset", ["authors", "paper"])
def test_densities_losses_and_gradients_are_float32_under_autocast(preset: str) -> None:
    labels = torch.randint(0, 4, (2, 6, 8), generator=torch.Generator().manual_seed(3))
    features = torch.randn(2, DIMENSIONS, 6, 8, generator=torch.Generator().manual_seed(4))

    def step(autocast: bool) -> list[torch.Tensor]:
        torch.manual_seed(0)
        head = GMMSegHead(GMMSegHead.Params(preset=preset, dimensions=DIMENSIONS, memory=40)).build(DIMENSIONS, 4)
        assert isinstance(head, GMMSegModule)
        leaf = features.clone().requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            output = head.train().densities(leaf)
            losses = head.loss(output, labels)
            torch.stack(list(losses.values())).sum().backward()  # a backward pass may be inside autocast
            head.after_step(output, labels)
        assert leaf.grad is not None
        return [output.class_maps, output.features, *losses.values(), leaf.grad, head.mixture.mean]

    inside, outside = step(True), step(False)
    for ours, theirs in zip(inside, outside, strict=True):
        assert ours.dtype == torch.float32
        assert torch.equal(ours, theirs)


class Waits(TorchDispatchMode):
    """A mode that counts the operations for which the host has to wait for a GPU."""

    _ALWAYS = ("aten::_local_scalar_dense", "aten::nonzero", "aten::bincount", "aten::masked_select", "aten::_unique2")

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.name().split(".")[0]
        indices = args[1] if name in ("aten::index", "aten::index_put", "aten::index_put_") else []
        by_mask = any(index is not None and index.dtype == torch.bool for index in indices)
        self.count += name in self._ALWAYS or by_mask
        return func(*args, **(kwargs or {}))


def count_waits(preset: str, classes: int, components: int) -> int:
    """Count the waits in one training step that contains every class."""
    params = GMMSegHead.Params(preset=preset, components=components, dimensions=DIMENSIONS, memory=40)
    head = GMMSegHead(params).build(DIMENSIONS, classes)
    assert isinstance(head, GMMSegModule)
    labels = (torch.arange(2 * 24 * 24) % (classes + 1)).view(2, 24, 24)
    labels[labels == classes] = 255
    with Waits() as counted:
        output = head.train().densities(torch.randn(2, DIMENSIONS, 24, 24))
        head.loss(output, labels)
        head.after_step(output, labels)
    assert int(head.mixture.estimations) == 1
    return counted.count


@pytest.mark.parametrize("preset", ["authors", "paper"])
def test_the_number_of_gpu_waits_does_not_depend_on_classes_and_components(preset: str) -> None:
    few = count_waits(preset, 2, 2)
    assert 0 < few <= 8
    assert count_waits(preset, 19, 7) == few


def test_gpu_waits_are_counted() -> None:
    values = torch.arange(4)
    with Waits() as counted:
        int(values[0])
        values[values > 1]
        values[values > 1] = 0
        torch.bincount(values)
        values[torch.tensor([1])]
    assert counted.count == 4


def test_a_recount_corrects_drifted_sums() -> None:
    memory = Memory(2, 5, 3, parts=2, half=True)
    rings = torch.tensor([0, 0, 1])
    memory.put(rings, torch.tensor([0, 1, 0]), torch.randn(3, 3), torch.rand(3, 2))
    right = {name: value.clone() for name, value in memory.named_buffers()}
    for sums in (memory.mass, memory.first, memory.second):
        sums += 0.25
    memory.recount()
    for name, value in memory.named_buffers():
        assert torch.allclose(value, right[name], rtol=1e-12, atol=1e-15), name


def test_a_recount_runs_every_thousand_steps() -> None:
    mixture = OnlineMixture(2, 2, 4, replace(AUTHORS, memory=8))
    sums = mixture.memory.mass.clone()
    points, labels, shares = torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), torch.zeros(0, 2)
    seen = []
    for steps in (997, 998, 999, 1000, 1999):
        mixture.steps.fill_(steps)
        mixture.memory.mass.add_(0.25)
        mixture.step(points, labels, shares, torch.zeros(0, dtype=torch.bool))
        seen.append(torch.equal(mixture.memory.mass, sums))
        mixture.memory.mass.copy_(sums)
    assert seen == [False, False, True, False, True]


def test_the_head_adds_only_kilobytes_to_a_network() -> None:
    head = GMMSegHead(GMMSegHead.Params(memory=100))
    state = head.build(512, 19).state_dict()
    shipped = {name: value for name, value in state.items() if not name.startswith(head.training_only())}
    beyond = {name: value.nbytes for name, value in shipped.items() if not name.startswith("projection.")}
    norms = {"feature_norm.weight": 256, "feature_norm.bias": 256, "score_norm.weight": 76, "score_norm.bias": 76}
    assert beyond == norms | {"mixture.mean": 24320, "mixture.deviation": 24320}
    assert any(name.startswith("mixture.memory.") for name in state), "a checkpoint contains the memory"
