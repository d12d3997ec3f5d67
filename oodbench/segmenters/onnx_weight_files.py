"""Files in which a large ONNX network stores its weights, next to the file of its graph."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx

from oodbench.errors import ModelError


def find_weight_files(path: Path) -> list[Path]:
    """Return the files that contain the weights of a network, and check that they are complete.

    Args:
        path: The file of the network's graph.

    Returns:
        The files with external data, sorted; an empty list if the graph contains all weights.

    Raises:
        ModelError: The file is not an ONNX network, or a file with weights is outside its folder, missing, truncated
            or another file than the one that was exported.
    """
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf has no types for its error of a file that is damaged
        raise ModelError(
            f"{path}: not an ONNX network that can be run ({error})", "Export the network again."
        ) from error
    files: dict[Path, str | None] = {}
    for tensor in _find_tensors(model):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            entries = {entry.key: entry.value for entry in tensor.external_data}
            file = _locate(path, entries.get("location", ""))
            _check_file(path, file, tensor.name, entries)
            files[file] = entries.get("checksum") or files.get(file)
    for file, checksum in files.items():
        if checksum and _hash(file) != checksum.lower():
            raise ModelError(
                f"{file}: its SHA-1 checksum differs from the one in {path.name}; expected the weights that were "
                "exported with this network",
                f"Copy both files of one export, {path.name} and {file.name}, into one folder.",
            )
    return sorted(files)


def _hash(file: Path) -> str:
    """Return the checksum of a file that ONNX defines for external data, a SHA-1."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.sha1(usedforsecurity=False)).hexdigest()


def _find_tensors(message: Any) -> Iterator[onnx.TensorProto]:
    """Return all tensors of a message: initialisers and constants, also those in subgraphs and functions."""
    if isinstance(message, onnx.TensorProto):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in [value] if hasattr(value, "ListFields") else value:
                yield from _find_tensors(part)


def _locate(path: Path, location: str) -> Path:
    relative = Path(location)
    if not location or relative.is_absolute() or ".." in relative.parts:
        raise ModelError(
            f"{path}: its weights are in '{location}'; expected a file in the folder of the network",
            "Export the network again, with its weights next to it.",
        )
    return path.parent / relative


def _check_file(path: Path, file: Path, tensor: str, entries: dict[str, str]) -> None:
    if not file.is_file():
        raise ModelError(
            f"{file}: no such file; expected the weights of {path.name}",
            f"Copy it from where {path.name} was exported, or export the network again.",
        )
    size, end = file.stat().st_size, int(entries.get("offset") or 0) + int(entries.get("length") or 0)
    if size < end:
        raise ModelError(
            f"{file}: {size} bytes; expected at least {end}, because the weights '{tensor}' of {path.name} end there",
            "Copy it again from where the network was exported: it is truncated, or belongs to another network.",
        )
