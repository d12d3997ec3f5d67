"""Pairs of images and label files by name, and layouts with one folder for images and one for labels."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from oodbench.data.folders import Layout
from oodbench.data.images import is_image
from oodbench.data.labels import LabelRule, file_frame
from oodbench.data.trees.walking import find_files, is_clutter, normalize_name
from oodbench.errors import DataError
from oodbench.text import find_id_fault, shorten
from oodbench.types import Frame

# Files with these endings are images. Whether another file is one is decided by its bytes.
_ENDINGS = {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".avif", ".bmp", ".tif", ".tiff", ".ppm", ".gif"}
# Number of files that a message names.
_NAMED = 3


def index_images(folder: Path, suffix: str = "") -> dict[str, Path]:
    """Map the name of each image file in a folder to the file, in natural order (2 before 10).

    Args:
        folder: The folder; it need not exist.
        suffix: Only file names that end with this text, before `.png` or a similar ending, are included. The text is
            removed from the name.

    Returns:
        Maps each name, without ending, to its file; empty if the folder does not exist.

    Raises:
        DataError: Two files differ only in their ending, or a file name is not printable text in UTF-8.

    Examples:
        >>> from pathlib import Path
        >>> from oodbench.data import index_images
        >>> Path("frames").mkdir()
        >>> for name in ("10.png", "2.jpg", "notes.txt"):
        ...     (Path("frames") / name).touch()
        >>> list(index_images(Path("frames")))
        ['2', '10']
    """
    return index_by_stem(find_files(folder, "*"), suffix)


def index_by_stem(paths: Iterable[Path], suffix: str = "") -> dict[str, Path]:
    """Map the name of each of several image files to the file, in natural order (2 before 10).

    A file is an image if it has the ending of one, such as `.png` or `.JPG`, or if its bytes begin like one.

    Args:
        paths: The files, from one or several folders. Hidden files, and files that are not images, are left out.
        suffix: Only file names that end with this text, before `.png` or a similar ending, are included. The text is
            removed from the name.

    Returns:
        Maps each name, without folder and ending, to its file. Characters are composed: `é` is one character.

    Raises:
        DataError: Two files have the same name, or a file name is not printable text in UTF-8.

    Examples:
        >>> from pathlib import Path
        >>> from oodbench.data import index_by_stem
        >>> list(index_by_stem([Path("bern/0_labels.png"), Path("ulm/1_labels.png"), Path("ulm/1.png")], "_labels"))
        ['0', '1']
    """
    files: dict[str, Path] = {}
    for path in sorted(paths, key=lambda path: (_make_natural_key(path.stem), str(path))):
        stem = _read_stem(path) if path.stem.endswith(suffix) or path.name.endswith(suffix) else None
        if stem is None or not stem.endswith(suffix):
            continue
        name = frame_name(stem.removesuffix(suffix), path) if stem != suffix else ""
        if name not in files:
            files[name] = path
        elif not _is_same_file(path, files[name]):
            other = path.name if path.parent == files[name].parent else path
            raise DataError(f"{files[name]} and {other} have the same name", "Keep one of the two.")
    return files


def describe_other_files(folder: Path) -> str | None:
    """Describe the files in a folder that are not images, as in `2 files are not images: a.txt, b.heic`.

    Args:
        folder: The folder.

    Returns:
        The description; None if there are no such files.
    """
    names = [path.name for path in find_files(folder, "*") if path.is_file() and _read_stem(path) is None]
    if not names:
        return None
    count = "1 file is not an image" if len(names) == 1 else f"{len(names)} files are not images"
    more = ", ..." if len(names) > _NAMED else ""
    return f"{folder}: {count} and not used: {', '.join(names[:_NAMED])}{more}"


def is_image_file(path: Path) -> bool:
    """Return whether a file has the ending of an image, or its bytes begin like one."""
    return path.suffix.lower() in _ENDINGS or (path.is_file() and is_image(path))


def _read_stem(path: Path) -> str | None:
    """Return the name of an image file without its ending; None for a file that is not an image."""
    if is_clutter(path.name) or not is_image_file(path):
        return None
    if path.suffix.lower() in _ENDINGS:
        return path.stem
    return path.name if path.suffix[1:].isdecimal() else path.stem  # the number in `frame.0001` is not an ending


def _is_same_file(path: Path, other: Path) -> bool:
    return os.path.realpath(path) == os.path.realpath(other)


def frame_name(stem: str, path: Path) -> str:
    """Return the id of the frame in a file: its name with composed characters.

    Args:
        stem: The name of the file without its ending.
        path: The file, for messages.

    Raises:
        DataError: The name is not one line of printable text in UTF-8.
    """
    name = normalize_name(stem)
    if fault := find_id_fault(name):
        raise DataError(f"{path.parent}: the file name {shorten(path.name)}: {fault}", "Rename it, or unpack it again.")
    return name


def _make_natural_key(text: str) -> list[tuple[int, int | str]]:
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in re.split(r"(\d+)", text) if part]


def pair_by_stem(images: Mapping[str, Path], labels: Mapping[str, Path], where: Path) -> list[tuple[str, Path, Path]]:
    """Pair images and labels of the same name.

    Args:
        images: Image files by name, as `index_images` returns them.
        labels: Label files by name.
        where: Folder, for the error message.

    Returns:
        (name, image, label) per frame, in the order of the images.

    Raises:
        DataError: An image has no label or a label has no image.

    Examples:
        >>> from pathlib import Path
        >>> from oodbench.data import pair_by_stem
        >>> pairs = pair_by_stem({"0": Path("images/0.png")}, {"0": Path("labels/0.png")}, Path())
        >>> [(name, image.as_posix(), label.as_posix()) for name, image, label in pairs]
        [('0', 'images/0.png', 'labels/0.png')]
    """
    for having, lacking, what in ((images, labels, "label"), (labels, images, "image")):
        missing = [name for name in having if name not in lacking]
        if missing:
            raise DataError(
                f"{where}: {len(missing)} of {len(having)} frames have no {what}; the first is "
                f"{having[missing[0]].name}",
                f"Expected the {what} under the same name. Unpack the download again.",
                [f"{having[name]}: has no {what}" for name in missing],
            )
    return [(name, images[name], labels[name]) for name in images]


def pair_cityscapes(images: Path, labels: Path) -> list[tuple[str, Path, Path]]:
    """Pair the images and the labels of one split of Cityscapes.

    Args:
        images: Folder with the images `CITY/ID_leftImg8bit.png`, such as `leftImg8bit/val`. Another ending, such as
            `.jpg`, is accepted.
        labels: Folder with the labels `CITY/ID_gtFine_labelIds.png`, such as `gtFine/val`.

    Returns:
        (id, image, label) per frame, in natural order of the ids.

    Raises:
        DataError: An image has no label, a label has no image, or two files have the same id.

    Examples:
        >>> from pathlib import Path
        >>> from oodbench.data import pair_cityscapes
        >>> for name in ("leftImg8bit", "gtFine_labelIds"):
        ...     (Path(name) / "ulm").mkdir(parents=True)
        ...     (Path(name) / "ulm" / f"ulm_000000_{name}.png").touch()
        >>> [name for name, _, _ in pair_cityscapes(Path("leftImg8bit"), Path("gtFine_labelIds"))]
        ['ulm_000000']
    """
    return pair_by_stem(
        index_by_stem(find_files(images, "*/*_leftImg8bit*"), "_leftImg8bit"),
        index_by_stem(find_files(labels, "*/*_gtFine_labelIds*"), "_gtFine_labelIds"),
        images,
    )


def make_pack_layout(rule: LabelRule, *names: str, images: str = "images", labels: str = "labels_masks") -> Layout:
    """Create the layout of packs that hold several benchmarks, each with a folder of images and one of labels.

    All benchmarks in such a pack have the same structure. A benchmark is recognised by the full name of its folder, or
    because the user named the folder for it.

    Args:
        rule: Meaning of the label values.
        names: Names of the benchmark's folder.
        images: Folder of the images.
        labels: Folder of the labels, which have the names of the images.
    """
    known = {name.lower() for name in names}

    def recognise(folder: Path, named: bool) -> bool:
        if not (named or folder.name.lower() in known):
            return False
        if not ((folder / images).is_dir() and (folder / labels).is_dir()):
            return False
        # The official packs also have images/ and labels_masks/, but with other file names.
        return not any(find_files(folder / labels, "*_labels_semantic*"))

    def frames(folder: Path) -> tuple[Frame, ...]:
        pairs = pair_by_stem(index_images(folder / images), index_images(folder / labels), folder)
        return tuple(file_frame(name, name, image, label, rule) for name, image, label in pairs)

    return Layout(recognise, frames)


def make_course_layout(rule: LabelRule, *names: str) -> Layout:
    """Create the layout (folder structure) of copies from course material: images/NAME.* and labels_masks/NAME.png.

    Args:
        rule: Meaning of the label values.
        *names: Names that the benchmark's folder can have.

    Returns:
        The layout. It recognises a folder by its name, which is in `names`, or because the user named the folder for
        the benchmark.

    Examples:
        >>> from pathlib import Path
        >>> from PIL import Image
        >>> from oodbench.data import VOID_RULE, LabelRule, make_course_layout
        >>> layout = make_course_layout(LabelRule(VOID_RULE, "Unpack it again."), "RoadAnomaly")
        >>> for name, mode in (("images", "RGB"), ("labels_masks", "L")):
        ...     (Path("RoadAnomaly") / name).mkdir(parents=True)
        ...     Image.new(mode, (6, 4)).save(Path("RoadAnomaly") / name / "7.png")
        >>> [frame.id for frame in layout.frames(Path("RoadAnomaly"))]
        ['7']
    """
    return make_pack_layout(rule, *names)


def make_synboost_layout(rule: LabelRule, *names: str) -> Layout:
    """Create the layout (folder structure) of SynBoost's copies of benchmarks: original/NAME.* and labels/NAME.png.

    The published code of PEBAL, RPL and ATTA reads the same copies. The labels in labels_with_ROI/ have another meaning
    and are never read.

    Args:
        rule: Meaning of the label values.
        *names: Names that the benchmark's folder can have.

    Returns:
        The layout. It recognises a folder by its name, which is in `names`, or because the user named the folder for
        the benchmark.

    Examples:
        >>> from pathlib import Path
        >>> from PIL import Image
        >>> from oodbench.data import VOID_RULE, LabelRule, make_synboost_layout
        >>> layout = make_synboost_layout(LabelRule(VOID_RULE, "Unpack it again."), "fs_static")
        >>> for name, mode in (("original", "RGB"), ("labels", "L")):
        ...     (Path("fs_static") / name).mkdir(parents=True)
        ...     Image.new(mode, (6, 4)).save(Path("fs_static") / name / "7.png")
        >>> [frame.id for frame in layout.frames(Path("fs_static"))]
        ['7']
    """
    return make_pack_layout(rule, *names, images="original", labels="labels")
