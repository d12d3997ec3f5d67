"""Content of a folder without what differs between two equal runs: measured times, environments, locks."""

from __future__ import annotations

import csv
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oodbench.files import digest_bytes, is_temporary

_IGNORED_FOLDERS = {"cache", "costs", "environments", "mmengine"}
_IGNORED_FILES = {".lock", "digests.jsonl", "log.jsonl"}
_MEASURED = {"cost", "environment", "seconds"}
_MEASURED_COLUMNS = ("_ms", "_s", "_mb")


def read_content(folder: Path) -> Mapping[str, str]:
    """Return the digest of each file, by its path in the folder; links are not followed."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        ignored = not _IGNORED_FOLDERS.isdisjoint(name.parts) or path.name in _IGNORED_FILES or is_temporary(path)
        if path.is_file() and not ignored:
            found[name.as_posix()] = digest_bytes(_normalised(path))
    return found


def find_leftovers(folder: Path) -> list[Path]:
    """Return the temporary files in a folder."""
    return [path for path in folder.rglob("*") if path.name.endswith(".part")]


def differences(ours: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    """Return the names of the files that differ."""
    return sorted(name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name))


def _normalised(path: Path) -> bytes:
    data = path.read_bytes()
    if path.suffix == ".safetensors":
        return _without_seconds(data)
    if path.suffix == ".csv":
        rows = list(csv.DictReader(data.decode(errors="replace").splitlines()))
        kept = [{name: value for name, value in row.items() if not name.endswith(_MEASURED_COLUMNS)} for row in rows]
        return json.dumps(kept).encode()
    if path.suffix != ".json":
        return data
    try:
        return json.dumps(_without_measured(json.loads(data), path.name)).encode()
    except ValueError:
        return data


def _without_measured(value: Any, file: str) -> Any:
    if isinstance(value, list):
        return [_without_measured(item, file) for item in value]
    if isinstance(value, dict):
        # result.json's own digest is of its whole content, with the times.
        dropped = _MEASURED | ({"digest"} if file == "result.json" and "results" in value else set())
        return {key: _without_measured(item, file) for key, item in value.items() if key not in dropped}
    return value


def _without_seconds(data: bytes) -> bytes:
    """Return a safetensors file without the seconds that a fit took, which are in its facts."""
    try:
        (length,) = struct.unpack_from("<Q", data)
        header = json.loads(data[8 : 8 + length])
        facts = json.loads(header.get("__metadata__", {}).pop("facts", "{}"))
    except (ValueError, struct.error, AttributeError):  # damaged
        return data
    return json.dumps([header, _without_measured(facts, "")]).encode() + data[8 + length :]
