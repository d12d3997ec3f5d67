"""The contract test of heads, which runs on random features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from oodbench.contracts import Head, HeadOutput, TrainingHead
from oodbench.testing.plugin import PluginContract, assert_filled
from oodbench.types import VOID

_CHANNELS, _CLASSES = 8, 6


class HeadContract(PluginContract):
    """The tests that a `Head` (the last layers of a network) must pass; pytest runs them from a subclass in your tests.

    The subclass sets `name`, and `plugin` to your file.

    Attributes:
        parameters: The parameters of the head. Choose small ones, so that the tests are fast.

    Examples:
        >>> from oodbench.testing import HeadContract
        >>> class TestSoftmax(HeadContract):
        ...     name = "softmax"
        >>> TestSoftmax().test_it_outputs_class_maps_and_the_declared_extras()  # pytest runs all tests of the class
    """

    kind = "heads"
    parameters: Mapping[str, Any] = {}

    def head(self) -> Head:
        """Return a new head."""
        return self.registry().head(self.name, self.parameters)

    def module(self) -> nn.Module:
        """Return a new module for 8 channels and 6 classes."""
        torch.manual_seed(0)
        return self.head().build(_CHANNELS, _CLASSES)

    def test_its_card_is_complete(self) -> None:
        """Check that the card has what `oodbench info head NAME` shows."""
        assert_filled(self.load().card, "title", "paper", "version")

    def test_it_outputs_class_maps_and_the_declared_extras(self) -> None:
        """Check that outputs are finite float32 maps of the features' size, and equal if the features are equal."""
        module, (features, _) = self.module().eval(), _batch()
        with torch.no_grad():
            first, second = module(features), module(features)
        assert isinstance(first, HeadOutput), f"{self.name}: returns a {type(first).__name__}; expected a HeadOutput"
        assert first.class_maps.shape == (2, _CLASSES, 6, 10), (
            f"{self.name}: class maps {list(first.class_maps.shape)}; expected [2, {_CLASSES}, 6, 10]"
        )
        named = set(self.head().extras())
        assert set(first.extras) == named, f"{self.name}: returns the extras {set(first.extras)} and names {named}"
        for what, values in {"class maps": first.class_maps, "features": first.features, **first.extras}.items():
            assert values.dtype == torch.float32, f"{self.name}: {what} are {values.dtype}; expected float32"
            assert values.isfinite().all(), f"{self.name}: {what} are not finite"
            assert values.shape[2:] == features.shape[2:], f"{self.name}: {what} are not on the features' grid"
        assert torch.equal(first.class_maps, second.class_maps), f"{self.name}: the same features give other maps"

    def test_training_reduces_the_loss(self) -> None:
        """Check that losses are finite, have gradients at the features, and become smaller within 20 steps."""
        module, (features, labels) = self.module().train(), _batch()
        assert isinstance(module, TrainingHead), f"{self.name}: its module is not a TrainingHead"
        features.requires_grad_()
        optimizer = torch.optim.Adam([features, *module.parameters()], lr=0.02)
        totals = []
        for _ in range(20):
            output = module(features)
            losses = module.loss(output, labels)
            assert losses, f"{self.name}: loss() returns no losses"
            total = torch.stack(list(losses.values())).sum()
            optimizer.zero_grad()
            total.backward()  # type: ignore[no-untyped-call]
            assert features.grad is not None, f"{self.name}: no gradient reaches the features"
            assert features.grad.abs().max() > 0, f"{self.name}: the gradient of the features is zero"
            optimizer.step()
            module.after_step(output, labels)
            totals.append(total.item())
        assert all(map(torch.isfinite, torch.tensor(totals))), f"{self.name}: losses {totals}"
        assert totals[-1] < totals[0], (
            f"{self.name}: twenty steps on one batch took the loss from {totals[0]} to {totals[-1]}"
        )

    def test_a_batch_of_void_pixels_keeps_the_state_finite(self) -> None:
        """Check that losses are finite if all pixels of a batch are void (have no label)."""
        module, (features, labels) = self.module().train(), _batch()
        assert isinstance(module, TrainingHead), f"{self.name}: its module is not a TrainingHead"
        labels[:] = VOID
        output = module(features)
        for name, loss in module.loss(output, labels).items():
            assert loss.isfinite(), f"{self.name}: {name} is {loss.item()} if all pixels are void"
        module.after_step(output, labels)

    def test_inference_needs_no_training_only_weights(self) -> None:
        """Check that a module gives the same class maps without the weights that `training_only` names."""
        module, (features, _) = self.module().eval(), _batch()
        left_out = self.head().training_only()
        shipped = {name: value for name, value in module.state_dict().items() if not name.startswith(left_out)}
        torch.manual_seed(1)
        fresh = self.head().build(_CHANNELS, _CLASSES).eval()
        fresh.load_state_dict(shipped, strict=False)
        with torch.no_grad():
            same = torch.equal(module(features).class_maps, fresh(features).class_maps)
        assert same, f"{self.name}: maps depend on what training_only() leaves out: {left_out}"


def _batch() -> tuple[Tensor, Tensor]:
    """Return features [2, 8, 6, 10], and labels [2, 12, 20] with some void pixels."""
    generator = torch.Generator().manual_seed(4)
    labels = torch.randint(0, _CLASSES, (2, 12, 20), generator=generator)
    labels[:, :2] = VOID
    return torch.randn(2, _CHANNELS, 6, 10, generator=generator), labels
