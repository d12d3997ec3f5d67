"""Fishyscapes Static, validation: objects pasted into 30 frames of Cityscapes, in three different versions.

Blum, Sarlin, Nieto, Siegwart, Cadena, "The Fishyscapes Benchmark: Measuring Blind Spots in Semantic Segmentation", IJCV
2021. v1 (March 2019) is not blended. v2 (June 2019) has better blending. v3 (January 2020) also pastes known objects of
Cityscapes, so many of its frames contain no anomaly. Papers seldom name the version that they used.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from typing_extensions import override

from oodbench.blending import MANIFEST as BLENDED
from oodbench.contracts import Archive, Benchmark, BenchmarkCard, Roots
from oodbench.data import (
    VOID_RULE,
    LabelRule,
    Layout,
    file_frame,
    find_files,
    find_layout,
    index_images,
    make_course_layout,
    make_synboost_layout,
    open_layouts,
    pair_by_stem,
    pair_cityscapes,
)
from oodbench.data.overlays import ARCHIVES, OVERLAY, read_built_version
from oodbench.errors import DataError, DataNotFoundError
from oodbench.types import Frame, FrameSet

PLUGINS = {
    "benchmarks": {
        "fishyscapes-static-v1": ("StaticV1", "objects pasted into 30 Cityscapes frames, not blended (2019)"),
        "fishyscapes-static-v2": ("StaticV2", "the same objects with better blending (2019)"),
        "fishyscapes-static-v3": ("StaticV3", "the same objects and pasted known objects (2020)"),
        "fishyscapes-static-unversioned": ("StaticUnversioned", "a copy of unknown version"),
    }
}

_RULE = LabelRule(VOID_RULE, "Use Fishyscapes' labels: 0 in-distribution, 1 anomaly, 255 void.")
_LABELS = {"0": "in-distribution, including pasted objects of known classes", "1": "anomaly", "255": "void"}
_PAPER = "Blum, Sarlin, Nieto, Siegwart, Cadena: The Fishyscapes Benchmark. IJCV 2021"
_URL = "https://fishyscapes.com"
_LICENCE = "the terms of Cityscapes for the frames"
_UNVERSIONED = "fishyscapes-static-unversioned"
_WARNING = (
    f"{_UNVERSIONED}: the version of this copy of Fishyscapes Static is unknown; its numbers are not comparable with "
    "those of other copies"
)


def _make_card(version: str, what: str) -> BenchmarkCard:
    archive, size, md5 = ARCHIVES[version]
    return BenchmarkCard(
        name=f"fishyscapes-static-{version}",
        title=f"FS Static val {version}",
        paper=f"{_PAPER} ({what})",
        url=_URL,
        licence=_LICENCE,
        frames=30,
        labels=_LABELS,
        layouts={
            "built": "the output of 'oodbench data build-fishyscapes-static': <nnnn>_<id>_rgb.png, "
            "<nnnn>_<id>_labels.png, fishyscapes-static.json",
            "flat": f"<nnnn>_<id>_rgb.png and <nnnn>_<id>_labels.png in a folder fs_val_{version}, or one that "
            f"--data fishyscapes-static-{version}=DIR names",
        },
        obtain=f"Get {archive} (https://fishyscapes.com/dataset) and Cityscapes, and build the images: oodbench data "
        f"build-fishyscapes-static --overlays {archive} --cityscapes DIR --out DIR; then give that folder: --data DIR",
        leaderboard_protocol="pooled",
        archives=(Archive(archive, f"http://robotics.ethz.ch/~asl-datasets/Fishyscapes/{archive}", size, md5),),
    )


class _Static(Benchmark):
    """Fishyscapes Static in one of its versions."""

    version: str

    @override
    def open(self, roots: Roots) -> FrameSet:
        layouts = {
            "built": Layout(lambda folder, named: read_built_version(folder) == self.version, _pair_frames),
            "flat": Layout(self._is_flat, _pair_frames),
        }
        try:
            return open_layouts(self.card, roots, layouts)
        except DataNotFoundError:
            self._raise_if_not_built(roots)
            raise

    def _is_flat(self, folder: Path, named: bool) -> bool:
        ours = named or folder.name.lower() == f"fs_val_{self.version}"
        return ours and not read_built_version(folder) and any(map(_FLAT.match, index_images(folder, "_rgb")))

    def _raise_if_not_built(self, roots: Roots) -> None:
        """Raise with the command that builds the images if only the overlays are found."""

        def waiting(folder: Path, named: bool) -> bool:
            ours = named or folder.name.lower() == f"fs_val_{self.version}"
            return ours and any(OVERLAY.match(path.name) for path in find_files(folder, "*_rgb.npz"))

        _, folder = find_layout(self.card.name, roots, {"overlays": waiting}, self.card.layouts, self.card.obtain)
        raise DataError(
            f"{folder}: contains the overlays of {self.card.name}; expected the images, which are built from "
            "Cityscapes",
            f"Build them: oodbench data build-fishyscapes-static --overlays {folder} --version {self.version} "
            "--cityscapes DIR --out DIR",
        )


class StaticV1(_Static):
    """Version without blending."""

    card = _make_card("v1", "version 1, March 2019")
    version = "v1"


class StaticV2(_Static):
    """Version with better blending."""

    card = _make_card("v2", "version 2, June 2019")
    version = "v2"


class StaticV3(_Static):
    """Version that also pastes known objects, which are in-distribution."""

    card = _make_card("v3", "version 3, January 2020")
    version = "v3"


class StaticUnversioned(Benchmark):
    """A circulating copy of unknown version; every table shows a warning."""

    card = BenchmarkCard(
        name=_UNVERSIONED,
        title="FS Static val (version unknown)",
        paper=_PAPER,
        url=_URL,
        licence=_LICENCE,
        frames=30,
        labels=_LABELS,
        layouts={
            "synboost": "Static/original/<n>.* and Static/labels/<n>.png; fs_static/ likewise",
            "course-material": "fs_static/images/<n>.* and fs_static/labels_masks/<n>.png",
            "densehybrid": "<n>_rgb.jpg next to <n>_labels.png",
            "flat": "<n>_rgb.png next to <n>_labels.png, in a folder whose name has no version",
            "cityscapes": "leftImg8bit_trainvaltest/leftImg8bit/val/<city>/<id>_leftImg8bit.png and "
            "gtFine_trainvaltest/gtFine/val/<city>/<id>_gtFine_labelIds.png with the values 0, 1, 255; only "
            f"with --data {_UNVERSIONED}=DIR",
        },
        obtain="Copies are part of the downloads of SynBoost, PEBAL and courses. The published version is "
        "fishyscapes-static-v3.",
        leaderboard_protocol="pooled",
    )

    @override
    def open(self, roots: Roots) -> FrameSet:
        return open_layouts(
            self.card,
            roots,
            {
                "synboost": _add_warning(make_synboost_layout(_RULE, "Static", "fs_static")),
                "course-material": _add_warning(make_course_layout(_RULE, "fs_static")),
                "densehybrid": _add_warning(Layout(partial(_is_unversioned, True), _pair_frames)),
                "flat": _add_warning(Layout(partial(_is_unversioned, False), _pair_frames)),
                "cityscapes": _add_warning(Layout(_is_cityscapes, _pair_cityscapes)),
            },
        )


_FLAT = re.compile(r"\d{4}_.+$")
_JPEG_ENDINGS = (".jpg", ".jpeg", ".jpe", ".jfif")
_VERSIONED = re.compile(r"fs_val_v[123]$", re.IGNORECASE)


def _add_warning(layout: Layout) -> Layout:
    return Layout(layout.recognise, layout.frames, (_WARNING,))


def _is_unversioned(jpeg: bool, folder: Path, named: bool) -> bool:
    """Return whether a folder holds frames without a version, as JPEG or in another format."""
    if read_built_version(folder) or _VERSIONED.match(folder.name) or (folder / BLENDED).exists():
        return False
    labels = index_images(folder, "_labels")
    return any(
        _FLAT.match(name) and name in labels and (path.suffix.lower() in _JPEG_ENDINGS) == jpeg
        for name, path in (index_images(folder, "_rgb") if labels else {}).items()
    )


def _pair_frames(folder: Path) -> tuple[Frame, ...]:
    pairs = pair_by_stem(index_images(folder, "_rgb"), index_images(folder, "_labels"), folder)
    return tuple(file_frame(name, name, image, label, _RULE) for name, image, label in pairs)


def _is_cityscapes(folder: Path, named: bool) -> bool:
    """Recognise the structure and ids of Cityscapes, but only if the user named the folder for this benchmark."""
    return named and any(find_files(folder, "gtFine_trainvaltest/gtFine/val/*/*_gtFine_labelIds*"))


def _pair_cityscapes(folder: Path) -> tuple[Frame, ...]:
    images, labels = (folder / f"{tree}_trainvaltest" / tree / "val" for tree in ("leftImg8bit", "gtFine"))
    pairs = pair_cityscapes(images, labels)
    return tuple(file_frame(name, name, image, label, _RULE) for name, image, label in pairs)
