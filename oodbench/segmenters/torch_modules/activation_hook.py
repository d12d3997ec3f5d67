"""Forward hooks that capture the inputs and outputs of a layer in a third-party module."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn


@contextmanager
def capture_activations(layer: nn.Module) -> Iterator[list[tuple[Tensor, Any]]]:
    """Collect the first argument and the output of each call of a layer while the context is open.

    Args:
        layer: The layer.

    Yields:
        A list that receives one pair (first argument, output) per call.
    """
    passes: list[tuple[Tensor, Any]] = []

    def record(_: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any], output: Any) -> None:
        passes.append((next(iter((*arguments, *named.values())), None), output))  # type: ignore[arg-type]  # a tensor

    handle = layer.register_forward_hook(record, with_kwargs=True)
    try:
        yield passes
    finally:
        handle.remove()


@contextmanager
def copy_activations(layer: nn.Module, takes_input: bool) -> Iterator[list[Any]]:
    """Collect copies of the first argument or of the output of each call of a layer while the context is open.

    Copies are necessary because an in-place layer, such as `ReLU(inplace=True)`, would change the output of the layer
    before it.

    Args:
        layer: The layer.
        takes_input: Whether to collect the first argument instead of the output.

    Yields:
        A list that receives one copy per call.
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
