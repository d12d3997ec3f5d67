"""What methods learned, as safetensors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oodbench.contracts import Fit
from oodbench.errors import RunFolderError, UsageError


def encode_fit(fit: Fit) -> bytes:
    """Return a fit as the content of a safetensors file."""
    from safetensors.torch import save  # late: torch takes seconds, and readers of results do without

    tensors = {name: tensor.contiguous() for name, tensor in fit.tensors.items()}
    return save(tensors, {"facts": json.dumps(dict(fit.facts))})


def decode_fit(data: bytes | bytearray, name: str) -> Fit:
    """Return the fit in the content of a safetensors file; `name` is what errors call the file.

    Raises:
        RunFolderError: It is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return Fit(load(bytes(data)), decode_facts(data, name))
    except SafetensorError as error:
        raise _damaged(name, error) from None


def decode_facts(data: bytes | bytearray, name: str) -> Mapping[str, Any]:
    """Return the facts of a fit alone, which takes no torch; arguments and errors as `decode_fit`."""
    try:
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        facts: Mapping[str, Any] = json.loads(header.get("__metadata__", {}).get("facts", "{}"))
    except ValueError as error:
        raise _damaged(name, error) from None
    return facts


def _damaged(name: str, error: Exception) -> RunFolderError:
    return RunFolderError(f"{name}: damaged ({error})", "Remove the file and run the same command again.")


def read_fit_file(path: Path) -> Fit:
    """Return the fit in a file that the user names.

    Raises:
        UsageError: There is no such file.
        RunFolderError: It is damaged.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file; expected what a method learned, in the fits/ of a run")
    return decode_fit(path.read_bytes(), str(path))
