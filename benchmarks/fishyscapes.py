"""Fishyscapes Lost & Found, validation: 100 frames of Lost and Found with labels of their own.

Blum, Sarlin, Nieto, Siegwart, Cadena, "The Fishyscapes Benchmark: Measuring Blind Spots in Semantic Segmentation",
IJCV 2021. The download holds labels alone; the frames are those of Lost and Found (Pinggera et al., IROS 2016), from
its train *and* its test split.
"""

from __future__ import annotations

import re
from pathlib import Path

from oodbench.contracts import Benchmark, BenchmarkCard, Roots
from oodbench.data import VOID_RULE, LabelRule, course_frames, course_recogniser, file_frame, find_layout
from oodbench.errors import DataError, DataNotFoundError
from oodbench.types import Frame, FrameSet

PLUGINS = {
    "benchmarks": {
        "fishyscapes-lost-and-found": ("FishyscapesLostAndFound", "small lost cargo on roads, 100 validation frames"),
    }
}

_LABEL = re.compile(r"(?P<index>\d{4})_(?P<id>(?P<scene>\d\d_.+)_\d{6}_\d{6})_labels\.png$")
_RULE = LabelRule(
    VOID_RULE,
    "Expected Fishyscapes' labels: 0 in-distribution, 1 anomaly, 255 void. Lost and Found's own gtCoarse files are "
    "another benchmark.",
)

_CARD = BenchmarkCard(
    name="fishyscapes-lost-and-found",
    title="FS Lost & Found val",
    paper="Blum, Sarlin, Nieto, Siegwart, Cadena: The Fishyscapes Benchmark. IJCV 2021",
    url="https://fishyscapes.com",
    licence="the terms of Lost and Found for the frames; not for training, by its maintainers' word",
    frames=100,
    labels={"0": "in-distribution", "1": "anomaly", "255": "void"},
    layouts={
        "official": "<nnnn>_<id>_labels.png in one folder, and leftImg8bit/{train,test}/<scene>/<id>_leftImg8bit.png",
        "course": "FS_LostFound_full/images/<n>.* and FS_LostFound_full/labels_masks/<n>.png",
    },
    obtain="Get fishyscapes_lostandfound.zip (https://fishyscapes.com/dataset) and leftImg8bit.zip of Lost and Found "
    "(https://www.6d-vision.com/lostandfounddataset), unpack both, and give both folders: --data DIR --data DIR",
    leaderboard_protocol="pooled",
)


class FishyscapesLostAndFound(Benchmark):
    """The whole image counts but for void; one frame holds no anomaly and stays in."""

    card = _CARD

    def open(self, roots: Roots) -> FrameSet:
        layouts = {"official": _has_labels, "course": course_recogniser("FS_LostFound_full")}
        layout, folder = find_layout(_CARD.name, roots, layouts, _CARD.layouts, _CARD.obtain)
        frames = _official_frames(folder, roots) if layout == "official" else course_frames(folder, _RULE)
        return FrameSet(frames, layout, folder, _CARD.frames)


def _has_labels(folder: Path, named: bool) -> bool:
    return any(_LABEL.match(path.name) for path in folder.glob("*_labels.png"))


def _official_frames(folder: Path, roots: Roots) -> tuple[Frame, ...]:
    images = _lost_and_found_images(roots)
    frames = []
    for path in sorted(folder.glob("*_labels.png")):
        match = _LABEL.match(path.name)
        if match is None:
            continue
        image = images.get(match["id"])
        if image is None:
            raise DataError(
                f"{path}: its frame {match['id']}_leftImg8bit.png is in neither leftImg8bit/train nor leftImg8bit/test",
                _CARD.obtain,
            )
        frames.append(file_frame(match["id"], match["scene"], image, path, _RULE))
    return tuple(frames)


def _lost_and_found_images(roots: Roots) -> dict[str, Path]:
    """Lost and Found's frames by id, from wherever leftImg8bit lies under the roots."""

    def recognise(folder: Path, named: bool) -> bool:
        return any(any(folder.glob(f"leftImg8bit/{split}/[0-9][0-9]_*")) for split in ("train", "test"))

    try:
        expected = {"official": _CARD.layouts["official"]}
        _, folder = find_layout(_CARD.name, roots, {"official": recognise}, expected, _CARD.obtain)
    except DataNotFoundError:
        searched = ", ".join(map(str, roots.of(_CARD.name)))
        raise DataError(
            f"{_CARD.name}: its labels were found, but not the frames of Lost and Found in {searched}; "
            "expected leftImg8bit/{train,test}/<scene>/<id>_leftImg8bit.png",
            _CARD.obtain,
        ) from None
    suffix = "_leftImg8bit"
    return {path.stem.removesuffix(suffix): path for path in folder.glob(f"leftImg8bit/*/*/[!.]*{suffix}.png")}
