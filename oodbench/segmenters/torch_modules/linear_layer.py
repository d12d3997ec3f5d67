"""Linear classifiers, read from a layer of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from oodbench.contracts import LinearClassifier

if TYPE_CHECKING:
    from collections.abc import Sequence


def read_linear(layer: nn.Module, order: Sequence[int] | None = None) -> LinearClassifier | None:
    """Return the layer's weight and bias, or None if it is not linear in each pixel's features.

    Args:
        layer: A 1x1 `Conv2d` without groups, or a `Linear`.
        order: The layer's output for each class of the class set; None: the order is the same.
    """
    if isinstance(layer, nn.Conv2d):
        steps = (*layer.kernel_size, *layer.stride, layer.groups)
        if set(steps) != {1} or layer.padding not in ((0, 0), "same", "valid"):
            return None
    elif not isinstance(layer, nn.Linear):
        return None
    weight = layer.weight.detach().flatten(1).float()  # [C, D]
    bias = weight.new_zeros(len(weight)) if layer.bias is None else layer.bias.detach().float()
    if order is not None:
        weight, bias = weight[list(order)], bias[list(order)]
    return LinearClassifier(weight, bias)
