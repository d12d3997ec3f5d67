"""GMMSeg's head compared with a literal implementation in double precision, and its training."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from oodbench.contracts import Capabilities
from oodbench.methods.gmmseg.head import GMMSegHead, GMMSegModule
from oodbench.registry import Registry
from oodbench.segmenters.bundled_network import CHANNELS, CompactNetwork
from tests.methods.gmmseg.literal import Literal

CLASSES, COMPONENTS, DIMENSIONS = 4, 3, 8
MEMORY = {"authors": 25, "paper": 400}


def make_pair(preset: str) -> tuple[GMMSegModule, Literal]:
    """Create the module and the literal implementation in one state, with gains and biases in the norms."""
    torch.manual_seed(5)
    params = GMMSegHead.Params(
        preset=preset, components=COMPONENTS, dimensions=DIMENSIONS, memory=MEMORY[preset], mean_momentum=0.9
    )
    head = GMMSegHead(params).build(DIMENSIONS, CLASSES)
    assert isinstance(head, GMMSegModule)
    with torch.no_grad():
        for norm in (head.feature_norm, head.score_norm):
            for values in norm.parameters():
                values.add_(0.3 * torch.randn_like(values))
        head.mixture.deviation.uniform_(0.2, 0.6)

    def array(values: torch.Tensor) -> np.ndarray:
        return values.detach().double().numpy().copy()

    norm = head.score_norm
    literal = Literal(
        preset,
        array(head.mixture.mean),
        array(head.mixture.deviation),
        array(head.feature_norm.weight),
        array(head.feature_norm.bias),
        array(norm.weight) if isinstance(norm, torch.nn.LayerNorm) else np.ones(CLASSES),
        array(norm.bias) if isinstance(norm, torch.nn.LayerNorm) else np.zeros(CLASSES),
        mean_momentum=0.9,
        size=MEMORY[preset],
    )
    if preset == "authors":
        points = array(head.mixture.memory.points).reshape(CLASSES, COMPONENTS, -1, DIMENSIONS)
        for c in range(CLASSES):
            for m in range(COMPONENTS):
                literal.queue[c, m] = [(point, np.ones(1)) for point in points[c, m]]
    return head.train(), literal


def make_batch(step: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Create features [2, D, 6, 8] that depend on their class, and labels [2, 6, 8] with void; one class is rare."""
    rng = np.random.default_rng(step)
    labels = rng.choice([0, 1, 2, 3, 255], size=(2, 6, 8), p=[0.4, 0.3, 0.18, 0.02, 0.1])
    centres = np.random.default_rng(77).normal(size=(256, DIMENSIONS))
    features = centres[labels] + rng.normal(size=(2, 6, 8, DIMENSIONS))
    return torch.from_numpy(features.transpose(0, 3, 1, 2)).float(), torch.from_numpy(labels)


@pytest.mark.parametrize("preset", ["authors", "paper"])
def test_seven_steps_equal_a_literal_implementation(preset: str) -> None:
    head, literal = make_pair(preset)
    for step in range(7):
        features, labels = make_batch(step)
        flat = features.permute(0, 2, 3, 1).reshape(-1, DIMENSIONS).double().numpy()
        small = labels.numpy().ravel()
        x, density, scores, maps = literal.forward(flat)
        shares = literal.shares(density, small)
        wanted = literal.losses(density, maps, small, shares)

        output = head.densities(features)
        losses = head.loss(output, labels)
        head.after_step(output, labels)
        literal.step(x, small, shares, maps)

        def rows(values: torch.Tensor) -> np.ndarray:
            return values.detach().permute(0, 2, 3, 1).reshape(len(small), -1).double().numpy()  # noqa: B023

        assert np.abs(rows(output.features) - x).max() < 1e-6
        assert np.abs(rows(output.extras["class_log_density"]) - scores).max() < 2e-4
        assert np.abs(rows(output.extras["component_log_density"]) - density.reshape(len(x), -1)).max() < 2e-4
        assert np.abs(rows(output.class_maps) - maps).max() < 2e-4
        assert losses["loss_segmentation"].item() == pytest.approx(wanted[0], rel=1e-4)
        assert losses["loss_components"].item() == pytest.approx(0.01 * wanted[1], rel=1e-4)
        assert np.abs(head.mixture.mean.double().numpy() - literal.mean).max() < 1e-5
        assert np.abs(head.mixture.deviation.double().numpy() - literal.deviation).max() < 1e-5
    assert int(head.mixture.estimations) == (2 if preset == "authors" else 7)


@pytest.mark.parametrize("preset", ["authors", "paper"])
def test_the_loss_has_gradients_for_the_backbone_but_not_for_means(preset: str) -> None:
    torch.manual_seed(0)
    head = GMMSegHead(GMMSegHead.Params(preset=preset, memory=50)).build(CHANNELS, 19)
    assert isinstance(head, GMMSegModule)
    network = CompactNetwork(head).train()
    labels = torch.randint(0, 19, (2, 32, 64))
    before = head.mixture.mean.clone()
    output = network(255 * torch.rand(2, 3, 32, 64))
    for name, loss in head.loss(output, labels).items():
        network.zero_grad()
        loss.backward(retain_graph=True)
        first = network.decoder.stem[0][0].weight.grad  # type: ignore[index]
        assert first is not None, name
        assert float(first.abs().max()) > 0, name
    assert {name for name, _ in head.named_parameters() if name.startswith("mixture")} == set()
    head.after_step(output, labels)
    assert not torch.equal(before, head.mixture.mean), "EM moves the means"


def test_a_frozen_mixture_does_not_change() -> None:
    head = GMMSegHead(GMMSegHead.Params(frozen=True, memory=50, dimensions=DIMENSIONS)).build(DIMENSIONS, CLASSES)
    assert isinstance(head, GMMSegModule)
    head.train()
    features, labels = make_batch(0)
    output = head.densities(features)
    before = {name: value.clone() for name, value in head.mixture.named_buffers() if "occupancy" not in name}
    head.loss(output, labels)
    head.after_step(output, labels)
    assert all(torch.equal(value, dict(head.mixture.named_buffers())[name]) for name, value in before.items())


def test_a_batch_of_only_void_changes_nothing_and_is_finite() -> None:
    head = GMMSegHead(GMMSegHead.Params(memory=50, dimensions=DIMENSIONS)).build(DIMENSIONS, CLASSES).train()
    assert isinstance(head, GMMSegModule)
    features, labels = make_batch(0)
    labels[:] = 255
    before = head.mixture.deviation.clone()
    output = head.densities(features)
    losses = head.loss(output, labels)
    head.after_step(output, labels)
    assert losses["loss_segmentation"].item() == 0
    assert torch.equal(before, head.mixture.deviation)
    assert losses["loss_components"].item() == 0


@pytest.mark.parametrize("name", ["gmmseg", "gmmseg-norm"])
def test_the_error_for_a_network_without_the_head_names_gmm_posthoc(name: str) -> None:
    reason = Capabilities("logits", ("penultimate",)).lacks(Registry().method(name).needs())
    assert reason is not None
    assert "gmm-posthoc" in reason
