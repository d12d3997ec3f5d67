"""Images and their labels: files by name, and the layouts that have a folder for each of the two."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from oodbench.data.folders import Layout
from oodbench.data.labels import LabelRule, file_frame
from oodbench.errors import DataError
from oodbench.types import Frame

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm")


def images_by_stem(folder: Path, suffix: str = "") -> dict[str, Path]:
    """The image files of a folder by the name without its ending, in natural order (2 before 10).

    Args:
        folder: a folder that may be missing.
        suffix: only names that end with it, and the name without it.

    Raises:
        DataError: two files differ only in their ending, or a name can't be written.
    """
    return by_name((folder.iterdir() if folder.is_dir() else ()), suffix)


def by_name(paths: Iterable[Path], suffix: str = "") -> dict[str, Path]:
    """As `images_by_stem`, of files that may lie in several folders: two of one name are an error."""
    files: dict[str, Path] = {}
    for path in sorted(paths, key=lambda path: (_natural(path.stem), str(path))):
        # Archives packed on a Mac hold a file ._name beside each name.
        if path.suffix.lower() in IMAGE_ENDINGS and path.stem.endswith(suffix) and not path.name.startswith("."):
            name = path.stem.removesuffix(suffix)
            if not _is_text(name):
                raise DataError(
                    f"{path.parent}: the file name {path.name!r} is no UTF-8 text", "Rename it, or unpack it again."
                )
            if name in files:
                other = path.name if path.parent == files[name].parent else path
                raise DataError(f"{files[name]} and {other} have the same name", "Keep one of the two.")
            files[name] = path
    return files


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


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
                [f"{having[name]}: has no {what}" for name in missing],
            )
    return [(name, images[name], labels[name]) for name in images]


def cityscapes_pairs(images: Path, labels: Path) -> list[tuple[str, Path, Path]]:
    """(id, image, label) of a split of Cityscapes' two trees, folders of cities; raises as `pair_by_stem`.

    Args:
        images: with <city>/<id>_leftImg8bit.png.
        labels: with <city>/<id>_gtFine_labelIds.png.
    """
    return pair_by_stem(
        by_name(images.glob("*/*_leftImg8bit.png"), "_leftImg8bit"),
        by_name(labels.glob("*/*_gtFine_labelIds.png"), "_gtFine_labelIds"),
        images,
    )


def pack(rule: LabelRule, *names: str, images: str = "images", labels: str = "labels_masks") -> Layout:
    """The layout of packs that hold several sets, each with a folder of images and one of labels of the same names.

    All sets of such a pack have one structure, so the set's own folder tells them apart: by its name, whole, or by the
    user's word.
    """
    known = {name.lower() for name in names}

    def recognise(folder: Path, named: bool) -> bool:
        if not (named or folder.name.lower() in known):
            return False
        if not ((folder / images).is_dir() and (folder / labels).is_dir()):
            return False
        # The official packs also have images/ and labels_masks/, with another naming inside.
        return not any((folder / labels).glob("*_labels_semantic*"))

    def frames(folder: Path) -> tuple[Frame, ...]:
        pairs = pair_by_stem(images_by_stem(folder / images), images_by_stem(folder / labels), folder)
        return tuple(file_frame(name, name, image, label, rule) for name, image, label in pairs)

    return Layout(recognise, frames)


def course(rule: LabelRule, *names: str) -> Layout:
    """The pack of a university course: images/<n>.* and labels_masks/<n>.png."""
    return pack(rule, *names)


def synboost(rule: LabelRule, *names: str) -> Layout:
    """SynBoost's repack, which PEBAL, RPL and ATTA read: original/<n>.* and labels/<n>.png.

    Its labels_with_ROI/ hold another target, and are never read.
    """
    return pack(rule, *names, images="original", labels="labels")
