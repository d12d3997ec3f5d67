"""Arguments that are one name or file, or several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from oodbench.files import expand_home

OneOrMore: TypeAlias = Sequence[str | Path] | str | Path
"""Names or files; a single one does not need a list."""

Data: TypeAlias = OneOrMore | Mapping[str, str | Path]
"""Folders to search, or a mapping from the name of a benchmark or dataset to its folder."""


def as_tuple(values: Data) -> tuple[str, ...]:
    """Convert names, files or a mapping to a tuple of strings; the items of a mapping become NAME=DIR."""
    if isinstance(values, str | Path):
        return (str(values),)
    if isinstance(values, Mapping):
        return tuple(f"{name}={folder}" for name, folder in values.items())
    return tuple(map(str, values))


def as_paths(values: OneOrMore) -> tuple[Path, ...]:
    """Convert files to absolute paths; `~` stands for the home folder."""
    return tuple(Path(expand_home(path)).absolute() for path in as_tuple(values))
