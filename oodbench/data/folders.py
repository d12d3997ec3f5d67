"""Recognition of benchmarks and datasets in folders by their contents, never by a substring of their path."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from oodbench.contracts import BenchmarkCard, Roots
from oodbench.data.trees.walking import find_files, walk_files
from oodbench.errors import DataError, DataNotFoundError
from oodbench.types import Frame, FrameSet

_DEPTH = 2

Recogniser = Callable[[Path, bool], bool]
"""(folder, whether the user named it for this benchmark) -> whether the folder holds it in this layout."""


@dataclass(frozen=True)
class Layout:
    """A layout: one folder structure in which a benchmark can be stored on disk.

    Attributes:
        recognise: Function that returns whether a folder has this structure. Its arguments are the folder, and whether
            the user named this folder for the benchmark.
        frames: Function that returns the frames in such a folder.
        warnings: Warnings that are shown with all results of frames in this layout.

    Examples:
        >>> from pathlib import Path
        >>> from oodbench.data import VOID_RULE, LabelRule, make_course_layout
        >>> layout = make_course_layout(LabelRule(VOID_RULE, "Unpack it again."), "RoadAnomaly")
        >>> for name in ("images", "labels_masks"):
        ...     (Path("RoadAnomaly") / name).mkdir(parents=True)
        >>> layout.recognise(Path("RoadAnomaly"), False), layout.frames(Path("RoadAnomaly"))
        (True, ())
    """

    recognise: Recogniser
    frames: Callable[[Path], tuple[Frame, ...]]
    warnings: tuple[str, ...] = ()


def open_layouts(card: BenchmarkCard, roots: Roots, layouts: Mapping[str, Layout]) -> FrameSet:
    """Find the one folder that contains a benchmark, and return its frames.

    Args:
        card: Fact sheet of the benchmark.
        roots: Folders to search, also up to two levels below.
        layouts: Maps names to the layouts (folder structures) in which the benchmark can be stored.

    Returns:
        The frames, with the name of the layout and the folder that were found. No pixel is read.

    Raises:
        DataNotFoundError: No folder contains the benchmark.
        DataError: Several folders contain the benchmark, a folder in `roots` is missing, or a folder can't be read.

    Examples:
        >>> from pathlib import Path
        >>> from PIL import Image
        >>> import oodbench
        >>> from oodbench.contracts import Roots
        >>> from oodbench.data import VOID_RULE, LabelRule, make_course_layout, open_layouts
        >>> for name, mode in (("images", "RGB"), ("labels_masks", "L")):
        ...     (Path("data/Mine") / name).mkdir(parents=True)
        ...     Image.new(mode, (6, 4)).save(Path("data/Mine") / name / "0.png")
        >>> card = oodbench.load_benchmark("streets-anomaly").card  # any card
        >>> layouts = {"course": make_course_layout(LabelRule(VOID_RULE, "Unpack it again."), "Mine")}
        >>> found = open_layouts(card, Roots((Path("data"),)), layouts)
        >>> found.layout, [frame.id for frame in found.frames]
        ('course', ['0'])
    """
    recognisers = {name: layout.recognise for name, layout in layouts.items()}
    layout, folder = find_layout(card.name, roots, recognisers, card.layouts, card.obtain)
    with convert_read_errors(folder):
        frames = layouts[layout].frames(folder)
    return FrameSet(frames, layout, folder, card.frames or len(frames), layouts[layout].warnings)


def check_roots(roots: Sequence[Path]) -> tuple[Path, ...]:
    """Return the roots after checking that they are folders.

    Raises:
        DataError: A root is missing or is a file.
    """
    for root in roots:
        with convert_read_errors(root):
            if not root.is_dir():
                what = "is a file" if root.exists() else "does not exist"
                raise DataError(
                    f"{root} {what}; expected a folder with benchmarks or datasets",
                    "Correct --data, --id-data, OODBENCH_DATA or the config file.",
                )
    return tuple(roots)


def find_unreadable(roots: Sequence[Path]) -> list[Path]:
    """Return the folders to search in the roots that can't be read."""
    return [folder for root in roots for folder in iter_subfolders(root) if not _can_enter(folder)]


def iter_subfolders(root: Path, depth: int = _DEPTH) -> Iterator[Path]:
    """Yield `root` and the folders under it, down to `depth` levels, sorted by name and without clutter."""
    yield root
    if depth == 0:
        return
    try:
        children = [child for child in find_files(root, "*") if child.is_dir()]
    except OSError:
        return
    for child in children:
        yield from iter_subfolders(child, depth - 1)


def find_layout(
    name: str, roots: Roots, layouts: Mapping[str, Recogniser], expected: Mapping[str, str], obtain: str
) -> tuple[str, Path]:
    """Find the one folder that contains a benchmark or dataset, and the layout (folder structure) of this folder.

    Args:
        name: Name of the benchmark or dataset.
        roots: Folders to search, also up to two levels below.
        layouts: Maps the name of each layout to a function that returns whether a folder has this layout. Its arguments
            are the folder, and whether the user named this folder for the benchmark or dataset.
        expected: Maps the name of each layout to its description, for the error message.
        obtain: Instructions for getting the data, for the error message.

    Returns:
        The name of the layout, and the folder.

    Raises:
        DataNotFoundError: No folder contains the benchmark or dataset.
        DataError: Several folders contain the benchmark or dataset, or a folder in `roots` is missing.

    Examples:
        >>> from pathlib import Path
        >>> from oodbench.contracts import Roots
        >>> from oodbench.data import find_layout
        >>> Path("downloads/frames").mkdir(parents=True)
        >>> def has_frames(folder, named):
        ...     return folder.name == "frames"
        >>> layout, folder = find_layout(
        ...     "mine", Roots((Path("downloads"),)), {"plain": has_frames}, {"plain": "a folder frames"}, "Ask us."
        ... )
        >>> layout, folder.as_posix()
        ('plain', 'downloads/frames')
    """
    searched = check_roots(roots.of(name))
    named = name in roots.named
    found: dict[str, tuple[str, Path]] = {}
    failed: list[tuple[Path, OSError]] = []
    for root in searched:
        for folder in filter(_can_enter, iter_subfolders(root)):
            try:
                for layout, recognise in layouts.items():
                    if recognise(folder, named and folder == root):
                        found.setdefault(os.path.realpath(folder), (layout, folder))
            except OSError as error:
                failed.append((folder, error))
    if not found:
        for folder, failure in failed:
            with convert_read_errors(folder):
                raise failure
        where = ", ".join(map(str, searched)) or "no folder (give --data DIR)"
        looks = "; or ".join(f"{layout}: {description}" for layout, description in expected.items())
        unreadable = "".join(f"; {folder} can't be read" for folder in find_unreadable(searched))
        raise DataNotFoundError(
            f"{name} was not found in {where}, or up to {_DEPTH} levels below it; expected {looks}{unreadable}", obtain
        )
    if len(found) > 1:
        found = _merge_linked(found)
    if len(found) > 1:
        places = ", ".join(f"{folder} ({layout})" for layout, folder in found.values())
        raise DataError(f"{name} was found more than once: {places}", f"Choose one: --data {name}=FOLDER")
    return next(iter(found.values()))


def _merge_linked(found: Mapping[str, tuple[str, Path]]) -> dict[str, tuple[str, Path]]:
    """Return one of those folders that contain the same files, which links lead to."""
    unique: dict[str, tuple[str, Path]] = {}
    for layout, folder in found.values():
        with convert_read_errors(folder):
            content = "\n".join(sorted({os.path.realpath(file) for file in walk_files(folder)}))
        unique.setdefault(content, (layout, folder))
    return unique


@contextmanager
def convert_read_errors(folder: Path) -> Iterator[None]:
    """Convert operating system errors in a `with` block, such as a missing permission, to DataError.

    Args:
        folder: The folder that the block reads, for the error message.

    Yields:
        Nothing.

    Raises:
        DataError: The block raised an OSError.

    Examples:
        >>> from pathlib import Path
        >>> from oodbench.data import convert_read_errors
        >>> from oodbench.errors import DataError
        >>> try:
        ...     with convert_read_errors(Path("absent")):
        ...         list(Path("absent").iterdir())
        ... except DataError as error:
        ...     print(error.remedy)
        Make the folder readable.
    """
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{error.filename or folder}: can't be read ({error.strerror})", "Make the folder readable."
        ) from None


def _can_enter(folder: Path) -> bool:
    return os.access(folder, os.R_OK | os.X_OK)
