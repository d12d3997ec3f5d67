"""Fishyscapes Lost & Found, validation: 100 frames of Lost and Found with separate labels.

Blum, Sarlin, Nieto, Siegwart, Cadena, "The Fishyscapes Benchmark: Measuring Blind Spots in Semantic Segmentation", IJCV
2021. The download contains only labels. The frames are those of Lost and Found (Pinggera et al., IROS 2016), from its
train *and* its test split.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from typing_extensions import override

from oodbench.benchmarks.lost_and_found import (
    CLOSED_PAGES,
    COARSE_LABELS,
    LEFT_IMAGES,
    SMIYC_RULE,
    find_coarse_labels,
    find_left_images,
    parse_scene,
)
from oodbench.contracts import Archive, Benchmark, BenchmarkCard, Roots
from oodbench.data import (
    VOID_RULE,
    LabelRule,
    Layout,
    file_frame,
    find_files,
    index_by_stem,
    index_images,
    make_course_layout,
    make_synboost_layout,
    open_layouts,
    pair_by_stem,
    pair_cityscapes,
)
from oodbench.data.trees.walking import walk_files
from oodbench.errors import DataError
from oodbench.types import ANOMALY, IN_DISTRIBUTION, VOID, Frame, FrameSet

PLUGINS = {
    "benchmarks": {
        "fishyscapes-lost-and-found": ("FishyscapesLostAndFound", "small lost cargo on roads, 100 validation frames"),
        "fishyscapes-lost-and-found@obstacles": (
            "FishyscapesObstacles",
            "98 of the same frames with Lost and Found's labels of the road (FishyLAFObstacle-val)",
        ),
    }
}

_ID = r"(?P<id>\d\d_.+_\d{6}_\d{6})"
_LABEL = re.compile(rf"\d{{4}}_{_ID}$")
_RULE = LabelRule(
    VOID_RULE,
    "Use Fishyscapes' labels: 0 in-distribution, 1 anomaly, 255 void. The gtCoarse files of Lost and Found "
    "belong to another benchmark.",
)
_DENSEHYBRID_RULE = LabelRule(
    {0: IN_DISTRIBUTION, 1: ANOMALY, 2: VOID}, "Use DenseHybrid's labels: 0 in-distribution, 1 anomaly, 2 void."
)
# The toolkit excludes these two from the obstacle labels, because their labels in Lost and Found are empty.
_WITHOUT_COARSE_LABELS = {"01_Hanns_Klemm_Str_45_000001_000240", "01_Hanns_Klemm_Str_45_000005_000230"}

_OFFICIAL = (
    "<nnnn>_<id>_labels.png in one folder, and leftImg8bit/{train,test}/<scene>/<id>_leftImg8bit.png, or the frames "
    "flat in laf_images/ next to the labels' folder"
)
_TOOLKIT = "labels/val/<id>_fishy-labels.png (dataset_FishyLAF), and leftImg8bit/ as in the official layout"
_ARCHIVES = (
    Archive(
        "fishyscapes_lostandfound.zip",
        "http://robotics.ethz.ch/~asl-datasets/Fishyscapes/fishyscapes_lostandfound.zip",
        size=729335,
        md5="0d3bf7c0ec38bd50b84f3d8aaa4b2e26",
        sha256="f0078e89f0a147060a0864feb90e8b523313a2723b1b764bce638dc425473094",
    ),
    LEFT_IMAGES,
)
_OBTAIN = (
    "Get fishyscapes_lostandfound.zip (https://fishyscapes.com/dataset) and leftImg8bit.zip of Lost and Found, unpack "
    f"both, and give both folders: --data DIR --data DIR. {CLOSED_PAGES}"
)
_PAPER = "Blum, Sarlin, Nieto, Siegwart, Cadena: The Fishyscapes Benchmark. IJCV 2021"
_LICENCE = "the terms of Lost and Found for the frames; its maintainers do not permit training"


class FishyscapesLostAndFound(Benchmark):
    """All pixels except void are evaluated. One frame contains no anomaly and is included."""

    card = BenchmarkCard(
        name="fishyscapes-lost-and-found",
        title="FS Lost & Found val",
        paper=_PAPER,
        url="https://fishyscapes.com",
        licence=_LICENCE,
        frames=100,
        labels={"0": "in-distribution", "1": "anomaly", "255": "void"},
        layouts={
            "official": _OFFICIAL,
            "smiyc": _TOOLKIT,
            "synboost": "LostAndFound/original/<n>.* and LostAndFound/labels/<n>.png; fs_lost_and_found/ likewise",
            "course-material": "FS_LostFound_full/images/<n>.* and FS_LostFound_full/labels_masks/<n>.png",
            "densehybrid": "leftImg8bit/<id>_leftImg8bit.png and ood/<id>_ood_segmentation.png with the values 0, 1, 2",
            "cityscapes": "leftImg8bit_trainvaltest/leftImg8bit/val/<city>/<id>_leftImg8bit.png and "
            "gtFine_trainvaltest/gtFine/val/<city>/<id>_gtFine_labelIds.png with the values 0, 1, 255",
        },
        obtain=_OBTAIN,
        leaderboard_protocol="pooled",
        archives=_ARCHIVES,
    )

    @override
    def open(self, roots: Roots) -> FrameSet:
        return open_layouts(
            self.card,
            roots,
            {
                "official": Layout(_is_official, lambda folder: _pair_frames(_index_labels(folder), folder, roots)),
                "smiyc": Layout(_is_toolkit, lambda folder: _pair_frames(_index_toolkit_labels(folder), folder, roots)),
                "synboost": make_synboost_layout(_RULE, "LostAndFound", "fs_lost_and_found"),
                "course-material": make_course_layout(_RULE, "FS_LostFound_full"),
                "densehybrid": Layout(_is_densehybrid, _pair_densehybrid),
                "cityscapes": Layout(_is_cityscapes, _pair_cityscapes),
            },
        )


class FishyscapesObstacles(Benchmark):
    """The frames of Fishyscapes with labels of Lost and Found: obstacles on the road. Other pixels are void."""

    card = BenchmarkCard(
        name="fishyscapes-lost-and-found@obstacles",
        title="FS Lost & Found val (obstacles)",
        paper="Chan, Lis, Uhlemeyer et al.: SegmentMeIfYouCan. NeurIPS 2021 Datasets and Benchmarks (FishyLAFObstacle)",
        url="https://github.com/SegmentMeIfYouCan/road-anomaly-benchmark",
        licence=_LICENCE,
        frames=98,
        labels={"0": "void: off the road", "1": "road", "2 to 200": "obstacle"},
        layouts={"official": f"{_OFFICIAL}; and gtCoarse/ next to leftImg8bit/", "smiyc": f"{_TOOLKIT}; and gtCoarse/"},
        obtain=f"{_OBTAIN} Get gtCoarse.zip of Lost and Found, too.",
        leaderboard_protocol="smiyc",
        variant_of="fishyscapes-lost-and-found",
        archives=(*_ARCHIVES, COARSE_LABELS),
    )

    @override
    def open(self, roots: Roots) -> FrameSet:
        def frames(labels: Mapping[str, Path]) -> tuple[Frame, ...]:
            wanted = {name: name for name in labels if name not in _WITHOUT_COARSE_LABELS}
            images, coarse = find_left_images(self.card, roots), find_coarse_labels(self.card, roots)
            for files, what in ((images, "leftImg8bit"), (coarse, "gtCoarse")):
                absent = [name for name in wanted if name not in files]
                if absent:
                    raise DataError(
                        f"{self.card.name}: {absent[0]} is in neither {what}/train nor {what}/test", self.card.obtain
                    )
            return tuple(file_frame(name, parse_scene(name), images[name], coarse[name], SMIYC_RULE) for name in wanted)

        return open_layouts(
            self.card,
            roots,
            {
                "official": Layout(_is_official, lambda folder: frames(_index_labels(folder))),
                "smiyc": Layout(_is_toolkit, lambda folder: frames(_index_toolkit_labels(folder))),
            },
        )


def _is_official(folder: Path, named: bool) -> bool:
    return bool(_index_labels(folder))


def _index_labels(folder: Path) -> dict[str, Path]:
    """Index the label files by the id of their frame, in the order of the files."""
    files = index_images(folder, "_labels")
    return {match["id"]: path for name, path in files.items() if (match := _LABEL.match(name))}


def _is_toolkit(folder: Path, named: bool) -> bool:
    return bool(_index_toolkit_labels(folder))


def _index_toolkit_labels(folder: Path) -> dict[str, Path]:
    files = index_images(folder / "labels" / "val", "_fishy-labels")
    return {name: path for name, path in files.items() if re.fullmatch(_ID, name)}


def _pair_frames(labels: Mapping[str, Path], folder: Path, roots: Roots) -> tuple[Frame, ...]:
    flat = folder.parent / "laf_images"
    images = index_images(flat, "_leftImg8bit") or find_left_images(FishyscapesLostAndFound.card, roots)
    absent = [name for name in labels if name not in images]
    if absent:
        where = f"not in {flat}" if flat.is_dir() else "in neither leftImg8bit/train nor leftImg8bit/test"
        raise DataError(
            f"{labels[absent[0]]}: its frame {absent[0]}_leftImg8bit.png is {where}",
            _OBTAIN,
            [f"{labels[name]}: its frame is missing" for name in absent],
        )
    return tuple(file_frame(name, parse_scene(name), images[name], path, _RULE) for name, path in labels.items())


def _is_densehybrid(folder: Path, named: bool) -> bool:
    return (folder / "leftImg8bit").is_dir() and bool(index_by_stem(walk_files(folder / "ood"), "_ood_segmentation"))


def _pair_densehybrid(folder: Path) -> tuple[Frame, ...]:
    images = index_by_stem(walk_files(folder / "leftImg8bit"), "_leftImg8bit")
    labels = index_by_stem(walk_files(folder / "ood"), "_ood_segmentation")
    pairs = pair_by_stem(images, labels, folder)
    return tuple(file_frame(name, parse_scene(name), image, label, _DENSEHYBRID_RULE) for name, image, label in pairs)


def _is_cityscapes(folder: Path, named: bool) -> bool:
    """Recognise the structure of Cityscapes with separately unpacked archives, by ids of Lost and Found or if named."""
    labels = find_files(folder, "gtFine_trainvaltest/gtFine/val/*/*_gtFine_labelIds*")
    ours = re.compile(rf"{_ID}_gtFine_labelIds")
    return any(named or ours.match(path.name) for path in labels)


def _pair_cityscapes(folder: Path) -> tuple[Frame, ...]:
    images, labels = (folder / f"{tree}_trainvaltest" / tree / "val" for tree in ("leftImg8bit", "gtFine"))
    pairs = pair_cityscapes(images, labels)
    return tuple(file_frame(name, parse_scene(name), image, label, _RULE) for name, image, label in pairs)
