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


@contextmanager
def copy_activations(layer: nn.Module, takes_input: bool) -> Iterator[list[Any]]:
    """Collect copies of the first argument or of the output of each call of a layer while the context is open.

    A layer that works in place, as `ReLU(inplace=True)`, would change what went through the layer before it.

    Args:
        layer: The layer.
        takes_input: Whether the first argument is collected instead of the output.
    """
    copies: list[Any] = []

    def copy(value: Any) -> None:
        copies.append(value.clone() if hasattr(value, "clone") else value)

    def before(_: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        copy(next(iter((*arguments, *named.values())), None))

    def after(_: nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
        copy(output)

    if takes_input:
        handle = layer.register_forward_pre_hook(before, with_kwargs=True)
    else:
        handle = layer.register_forward_hook(after)
    try:
        yield copies
    finally:
        handle.remove()
