"""What goes through a layer of somebody else's network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn


@contextmanager
def capture_activations(layer: nn.Module) -> Iterator[list[tuple[Tensor, Any]]]:
    """Collect the first argument and the output of each call of a layer while the context is open."""
    passes: list[tuple[Tensor, Any]] = []

    def note(_: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any], output: Any) -> None:
        passes.append((next(iter((*arguments, *named.values())), None), output))  # type: ignore[arg-type]  # a tensor

    handle = layer.register_forward_hook(note, with_kwargs=True)
    try:
        yield passes
    finally:
        handle.remove()
