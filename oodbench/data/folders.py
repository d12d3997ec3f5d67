"""Finding data sets in folders: by what lies in them, never by a substring of their path."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from oodbench.contracts import BenchmarkCard, Roots
from oodbench.errors import DataError, DataNotFoundError
from oodbench.types import Frame, FrameSet

_DEPTH = 2

Recogniser = Callable[[Path, bool], bool]
"""(folder, the user named it for this data set) -> whether it holds the data set in this layout."""


@dataclass(frozen=True)
class Layout:
    """One way in which a benchmark lies on disk.

    Attributes:
        recognise: whether a folder holds it.
        frames: the frames of such a folder.
        warnings: what every table has to say of a copy in this layout.
    """

    recognise: Recogniser
    frames: Callable[[Path], tuple[Frame, ...]]
    warnings: tuple[str, ...] = ()


def open_layouts(card: BenchmarkCard, roots: Roots, layouts: Mapping[str, Layout]) -> FrameSet:
    """The benchmark, from the one folder among the roots that holds it; raises as `find_layout`."""
    recognisers = {name: layout.recognise for name, layout in layouts.items()}
    layout, folder = find_layout(card.name, roots, recognisers, card.layouts, card.obtain)
    with readable(folder):
        frames = layouts[layout].frames(folder)
    return FrameSet(frames, layout, folder, card.frames or len(frames), layouts[layout].warnings)


def existing(roots: Sequence[Path]) -> tuple[Path, ...]:
    """The roots, checked to be folders.

    Raises:
        DataError: one is missing or a file.
    """
    for root in roots:
        if not root.is_dir():
            what = "is a file" if root.exists() else "does not exist"
            raise DataError(
                f"{root} {what}; expected a folder with data sets",
                "It was given with --data, --id-data, OODBENCH_DATA or the config file.",
            )
    return tuple(roots)


def subfolders(root: Path, depth: int = _DEPTH) -> Iterator[Path]:
    """`root` and the folders under it, down to `depth` levels, in order of their names; hidden ones left out."""
    yield root
    if depth == 0:
        return
    try:
        children = sorted(child for child in root.iterdir() if child.is_dir() and not child.name.startswith("."))
    except OSError:
        return
    for child in children:
        yield from subfolders(child, depth - 1)


def find_layout(
    name: str, roots: Roots, layouts: Mapping[str, Recogniser], expected: Mapping[str, str], obtain: str
) -> tuple[str, Path]:
    """The one folder among the roots that holds the data set, and the layout in which it does.

    Args:
        name: of the data set.
        roots: where to look.
        layouts: layout -> recogniser.
        expected: layout -> what it looks like, for the message.
        obtain: where to get the data set, for the message.

    Raises:
        DataNotFoundError: no folder does.
        DataError: two do; or a root is missing.
    """
    searched = existing(roots.of(name))
    named = name in roots.named
    found: dict[Path, tuple[str, Path]] = {}
    for root in searched:
        for folder in subfolders(root):
            with readable(folder):
                for layout, recognise in layouts.items():
                    if _enterable(folder) and recognise(folder, named and folder == root):
                        found.setdefault(folder.resolve(), (layout, folder))
    if not found:
        where = ", ".join(map(str, searched)) or "no folder (give --data DIR)"
        looks = "; or ".join(f"{layout}: {description}" for layout, description in expected.items())
        raise DataNotFoundError(
            f"{name} was not found in {where}, nor up to {_DEPTH} levels under it. Expected {looks}", obtain
        )
    if len(found) > 1:
        places = ", ".join(f"{folder} ({layout})" for layout, folder in found.values())
        raise DataError(f"{name} was found more than once: {places}", f"Choose one: --data {name}=FOLDER")
    return next(iter(found.values()))


@contextmanager
def readable(folder: Path) -> Iterator[None]:
    """What the system refuses while a folder is read, as a DataError."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{error.filename or folder}: can't be read ({error.strerror})", "Expected a folder that can be read."
        ) from None


def _enterable(folder: Path) -> bool:
    return os.access(folder, os.R_OK | os.X_OK)
