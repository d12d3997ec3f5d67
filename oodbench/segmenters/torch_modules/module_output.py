"""Class maps in the output of a third-party module, and features in the outputs of its layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from torch import Tensor, nn

from oodbench.errors import ModelError

OutputKey: TypeAlias = str | int | Callable[[Any], Tensor] | None
"""Location of the class maps in a module's output: key or attribute, index, function, or None for the usual keys."""

# Keys of the class maps in torchvision and transformers.
_USUAL = ("out", "logits")


def find_class_maps(returned: Any, key: OutputKey, count: int, where: str) -> Tensor:
    """Return the class maps in a module's output.

    Args:
        returned: The module's output.
        key: The location of the class maps in the output.
        count: N, the number of images.
        where: The network's name, for the error.

    Raises:
        ModelError: There are no class maps, or they are not [N, C, h, w].
    """
    class_maps = _look_up(returned, key, where)
    if not isinstance(class_maps, Tensor):
        raise ModelError(
            f"{where}: {_name_output(key)} is a {type(class_maps).__name__}; expected a tensor [N, C, h, w]. "
            f"The module returns {_list_contents(returned)}",
            "Give the location of the class maps: output= (a key, an index or a function).",
        )
    if class_maps.ndim != 4 or len(class_maps) != count or not class_maps.is_floating_point():
        raise ModelError(
            f"{where}: {_name_output(key)} is {class_maps.dtype} {list(class_maps.shape)}; expected float class maps "
            f"[{count}, C, h, w]",
            "Give a module that returns one map per class, or a function in output= that returns these maps.",
        )
    return class_maps


def _name_output(key: OutputKey) -> str:
    return "its output" if key is None or callable(key) else f"its output {key!r}"


def _look_up(returned: Any, key: OutputKey, where: str) -> Any:
    if callable(key):
        return key(returned)
    if key is not None:
        try:
            if isinstance(key, str) and not isinstance(returned, Mapping):
                return getattr(returned, key)
            return returned[key]
        except (AttributeError, LookupError, TypeError):
            raise _make_error(f"{where}: no output {key!r}", returned) from None
    if isinstance(returned, Tensor):
        return returned
    if isinstance(returned, Mapping):
        named = {name: returned.get(name) for name in _USUAL}
    else:
        named = {name: getattr(returned, name, None) for name in _USUAL}
    candidates = [value for value in named.values() if isinstance(value, Tensor)]
    if not candidates and isinstance(returned, Sequence):
        candidates = [value for value in returned if isinstance(value, Tensor)]
    if len(candidates) != 1:
        raise _make_error(f"{where}: {len(candidates)} outputs may be the class maps", returned)
    return candidates[0]


def _make_error(problem: str, returned: Any) -> ModelError:
    return ModelError(
        f"{problem}; the module returns {_list_contents(returned)}",
        "Give the location of the class maps: output= (a key, an index or a function).",
    )


def _list_contents(returned: Any) -> str:
    if isinstance(returned, Tensor):
        return f"a tensor {list(returned.shape)}"
    if isinstance(returned, Mapping):
        parts = dict(returned)
    elif isinstance(returned, Sequence) and not isinstance(returned, str):
        parts = dict(enumerate(returned))
    else:
        parts = {name: value for name, value in getattr(returned, "__dict__", {}).items() if value is not None}
    shown = (
        f"{name!r} ({f'tensor {list(value.shape)}' if isinstance(value, Tensor) else type(value).__name__})"
        for name, value in parts.items()
    )
    return f"a {type(returned).__name__} with {', '.join(shown) or 'nothing in it'}"


def read_feature(layer: nn.Module, calls: Sequence[Any], where: str) -> Tensor:
    """Return the features [N, D, h, w] that were captured in the last call of a layer.

    Args:
        layer: The layer. A `Linear` has its features on the last axis.
        calls: The captured input or output of each call.
        where: The network, the role and the layer, for the error.

    Raises:
        ModelError: The layer was not called, or the captured value is not a map of features.
    """
    if not calls:
        raise ModelError(
            f"{where}: the module did not call this layer", "Name a layer that the module calls for every image."
        )
    values = calls[-1]
    if not isinstance(values, Tensor) or values.ndim != 4 or not values.is_floating_point():
        what = f"{values.dtype} {list(values.shape)}" if isinstance(values, Tensor) else f"a {type(values).__name__}"
        raise ModelError(
            f"{where}: it is {what}; expected a float tensor [N, D, h, w]",
            "Name a layer whose output has height and width.",
        )
    return values.permute(0, 3, 1, 2) if isinstance(layer, nn.Linear) else values
