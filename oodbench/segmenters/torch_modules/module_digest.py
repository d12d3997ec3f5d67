"""The digest of a torch module: its weights, its settings and its code."""

from __future__ import annotations

import enum
import hashlib
import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MethodType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from oodbench.user_code.code_identity import PROCESS_TOKEN, code_identity

# Attributes of nn.Module that are in the state dict, or that don't affect inference.
_OWN = frozenset(vars(nn.Module()))
_PLAIN = (
    bool, int, float, complex, str, bytes, torch.dtype, torch.device, torch.Size, enum.Enum, Path, slice, range,
)  # fmt: skip
# Maximum depth of nested objects. Objects that are nested deeper are not settings of a network.
_DEEPEST = 40


@dataclass(frozen=True)
class ModuleIdentity:
    """Digests that identify a module.

    Attributes:
        weights: SHA-256 of names, dtypes, shapes and bytes of all parameters and buffers.
        settings: SHA-256 of the plain attributes of all submodules: strides, rates, functions.
        code: SHA-256 of the code of the classes of all submodules.
        unknown: One text per part that can be identified within this process only; empty if there is none.
    """

    weights: str
    settings: str
    code: str
    unknown: tuple[str, ...]


def identify_module(module: nn.Module, version: str | None = None, also: Any = None) -> ModuleIdentity:
    """Return the identity of a module.

    Args:
        module: The module with its weights loaded.
        version: Text that is used instead of the code, and that the user changes whenever the code changes; None: the
            code is read.
        also: Another object whose content and code affect the output, such as a function that reads it.
    """
    reader = _Reader(version)
    settings = [[name, reader.describe_module(part)] for name, part in module.named_modules()]
    settings.append(["also", reader.describe(also)])
    code = version if version is not None else json.dumps(sorted(reader.code))
    return ModuleIdentity(
        _digest_weights(module), _digest_text(json.dumps(settings)), _digest_text(code), tuple(reader.unknown)
    )


def _digest_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _digest_weights(module: nn.Module) -> str:
    """Return the digest of all weights and buffers.

    Buffers that the state dict omits, such as tables of positions, affect the output and are included.
    """
    state = {**dict(module.named_buffers()), **module.state_dict()}
    digest = hashlib.sha256()
    for name, value in sorted(state.items()):
        if isinstance(value, Tensor):
            digest.update(f"{name} {_digest_tensor(value)}\n".encode())
        else:  # extra state of a module
            digest.update(f"{name} {value!r}\n".encode())
    return digest.hexdigest()


def _digest_tensor(value: Tensor) -> str:
    plain = value.detach().cpu().contiguous()
    data = plain.reshape(-1).view(torch.uint8).numpy() if plain.numel() else np.empty(0, np.uint8)
    head = f"{plain.dtype} {list(plain.shape)} ".encode()
    return hashlib.sha256(head + data.tobytes()).hexdigest()


class _Reader:
    """Description of attributes as nested lists of text, with a record of the code that they refer to."""

    def __init__(self, version: str | None) -> None:
        self._version = version
        self._named: dict[Any, str] = {}
        self._inside: list[int] = []
        self.code: set[str] = set()
        self.unknown: list[str] = []

    def describe_module(self, module: nn.Module) -> Any:
        """Return the class and attributes of one module, without its submodules."""
        if isinstance(module, torch.jit.ScriptModule):
            return ["script", str(module.graph) if hasattr(module, "graph") else ""]
        hooks = [*module._forward_pre_hooks.values(), *module._forward_hooks.values()]
        attributes = {name: value for name, value in vars(module).items() if name not in _OWN}
        return [self._name_code(type(module)), self.describe(attributes), self.describe(hooks)]

    def _name_code(self, code: Any) -> str:
        """Return the name of a class or function, and record its code."""
        if code not in self._named:
            self._named[code] = str(getattr(code, "__qualname__", type(code).__name__))
            if self._version is None:
                text, stable = code_identity(code)
                self.code.add(text)
                if not stable:
                    self._note(f"the source of {self._named[code]} can't be read")
        return self._named[code]

    def _note(self, text: str) -> None:
        if text not in self.unknown:
            self.unknown.append(text)

    def describe(self, value: Any) -> Any:
        """Return a value as text, or as nested lists of text."""
        if value is None or isinstance(value, _PLAIN):
            return repr(value)
        if isinstance(value, Tensor):
            return _digest_tensor(value)
        if isinstance(value, np.ndarray | np.generic):
            return repr((str(value.dtype), value.shape, hashlib.sha256(value.tobytes()).hexdigest()))
        if isinstance(value, nn.Module):
            return "module"  # submodules are described by `identify_module`
        if id(value) in self._inside:
            return "itself"
        self._inside.append(id(value))
        try:
            return self._describe_object(value)
        finally:
            self._inside.pop()

    def _describe_object(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            pairs = [[repr(key), self.describe(part)] for key, part in value.items()]
            return sorted(pairs, key=lambda pair: str(pair[0]))
        if isinstance(value, list | tuple):
            return [self.describe(part) for part in value]
        if isinstance(value, set | frozenset):
            return sorted(json.dumps(self.describe(part)) for part in value)
        if isinstance(value, type):
            return self._name_code(value)
        if isinstance(value, MethodType):
            return [self._name_code(value.__func__), self.describe(value.__self__)]
        if inspect.isfunction(value):
            cells = [cell.cell_contents for cell in value.__closure__ or ()]
            return [self._name_code(value), self.describe(value.__defaults__), self.describe(cells)]
        if inspect.isroutine(value):  # compiled, such as torch.relu
            return str(getattr(value, "__qualname__", value))
        return self._describe_state(value)

    def _describe_state(self, value: Any) -> Any:
        """Describe any other object by the state that pickle would store."""
        problem = "is nested too deep"
        if len(self._inside) < _DEEPEST:
            try:
                reduced = value.__reduce_ex__(2)
                parts = reduced if isinstance(reduced, str) else [list(part or ()) for part in reduced[3:5]]
                state = reduced if isinstance(reduced, str) else list(reduced[1:3])
                return [self._name_code(type(value)), self.describe(state), self.describe(parts)]
            except TypeError:
                problem = "can't be described"
        if self._version is None:
            self._note(f"an attribute of type {type(value).__name__} {problem}")
            return PROCESS_TOKEN
        return type(value).__name__
