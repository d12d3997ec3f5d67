"""What goes through a layer of somebody else's network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn


@contextmanager
def capture_activations(layer: nn.Module) -> Iterator[list[tuple[Tensor, Any]]]:
    """What goes into a layer while the context is open, and what comes out."""
    passes: list[tuple[Tensor, Any]] = []
    handle = layer.register_forward_hook(lambda _, arguments, output: passes.append((arguments[0], output)))
    try:
        yield passes
    finally:
        handle.remove()
