"""Conversion of fits to and from safetensors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oodbench.contracts import Fit
from oodbench.errors import RunFolderError, UsageError
from oodbench.storage.run_store import REPAIR


def encode_fit(fit: Fit) -> bytes:
    """Return a fit as the content of a safetensors file."""
    from safetensors.torch import save  # imported late: importing torch takes seconds, and results do not need it

    tensors = {name: tensor.contiguous() for name, tensor in fit.tensors.items()}
    return save(tensors, {"facts": json.dumps(dict(fit.facts))})


def decode_fit(data: bytes | bytearray, name: str) -> Fit:
    """Return the fit in the content of a safetensors file.

    Args:
        data: The content of the file.
        name: The name of the file for errors.

    Raises:
        RunFolderError: The content is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return Fit(load(bytes(data)), decode_facts(data, name))
    except SafetensorError as error:
        raise _damaged(name, error) from None


def decode_facts(data: bytes | bytearray, name: str) -> Mapping[str, Any]:
    """Return the facts of a fit without its tensors, which does not import torch.

    Args:
        data: The content of a safetensors file.
        name: The name of the file for errors.

    Raises:
        RunFolderError: The content is damaged.
    """
    try:
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        facts: Mapping[str, Any] = json.loads(header.get("__metadata__", {}).get("facts", "{}"))
    except ValueError as error:
        raise _damaged(name, error) from None
    return facts


def _damaged(name: str, error: Exception) -> RunFolderError:
    return RunFolderError(f"{name}: damaged ({error})", REPAIR)


def read_fit_file(path: Path) -> Fit:
    """Return the fit in a file of the user.

    Raises:
        UsageError: There is no such file.
        RunFolderError: The file is damaged.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file; expected a fit from the folder fits/ of a run", "Correct the path.")
    return decode_fit(path.read_bytes(), str(path))
