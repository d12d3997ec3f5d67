"""Finding data sets in folders: by what lies in them, never by a substring of their path."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from oodbench.contracts import Roots
from oodbench.data.labels import LabelRule, file_frame
from oodbench.errors import DataError, DataNotFoundError
from oodbench.types import Frame

_IMAGE_ENDINGS = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm"}
_DEPTH = 2


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
    except PermissionError:
        return
    for child in children:
        yield from subfolders(child, depth - 1)


Recogniser = Callable[[Path, bool], bool]
"""(folder, the user named it for this data set) -> whether it holds the data set in this layout."""


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
    found = {
        folder.resolve(): (layout, folder)
        for root in searched
        for folder in subfolders(root)
        for layout, recognise in layouts.items()
        if _readable(folder) and recognise(folder, named and folder == root)
    }
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


def _readable(folder: Path) -> bool:
    return os.access(folder, os.R_OK | os.X_OK)


def images_by_stem(folder: Path) -> dict[str, Path]:
    """The image files of a folder by the name without its ending, in natural order (2 before 10).

    Raises:
        DataError: two files differ only in their ending.
    """
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir(), key=lambda path: _natural(path.stem)):
        if path.suffix.lower() in _IMAGE_ENDINGS and not path.name.startswith("."):
            if path.stem in files:
                raise DataError(f"{files[path.stem]} and {path.name} have the same name", "Keep one of the two.")
            files[path.stem] = path
    return files


def _natural(text: str) -> list[tuple[int, int | str]]:
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in re.split(r"(\d+)", text) if part]


def pair_by_stem(images: Mapping[str, Path], labels: Mapping[str, Path], where: Path) -> list[tuple[str, Path, Path]]:
    """(name, image, label) for each name.

    Raises:
        DataError: an image without a label or a label without an image.
    """
    for having, lacking, what in ((images, labels, "label"), (labels, images, "image")):
        missing = [name for name in having if name not in lacking]
        if missing:
            raise DataError(
                f"{where}: {len(missing)} of {len(having)} frames have no {what}; the first is "
                f"{having[missing[0]].name}",
                f"Expected the {what} under the same name. Unpack the data set again.",
            )
    return [(name, images[name], labels[name]) for name in images]


def course_frames(folder: Path, rule: LabelRule) -> tuple[Frame, ...]:
    """The frames of a set in the layout of the course packs: images/<n>.* and labels_masks/<n>.png."""
    pairs = pair_by_stem(images_by_stem(folder / "images"), images_by_stem(folder / "labels_masks"), folder)
    return tuple(file_frame(name, name, image, label, rule) for name, image, label in pairs)


def course_recogniser(*names: str) -> Recogniser:
    """Recognises a course pack's folder of one of these names, or any name where the user said what it holds.

    All sets of the pack have the same structure, so the folder's own name, whole, is what tells them apart.
    """

    def recognise(folder: Path, named: bool) -> bool:
        known = named or folder.name.lower() in {name.lower() for name in names}
        if not (known and (folder / "images").is_dir() and (folder / "labels_masks").is_dir()):
            return False
        # The official packs also have images/ and labels_masks/, with another naming inside.
        return not any((folder / "labels_masks").glob("*_labels_semantic*"))

    return recognise
