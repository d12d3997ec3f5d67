"""Road Anomaly: 60 photographs from the web of animals, rocks, cones and odd vehicles on roads.

Lis, Nakka, Fua, Salzmann, "Detecting the Unexpected via Image Resynthesis", ICCV 2019.
"""

from __future__ import annotations

import json
from pathlib import Path

from oodbench.contracts import Benchmark, BenchmarkCard, Roots
from oodbench.data import LabelRule, course_frames, course_recogniser, file_frame, find_layout, pair_by_stem
from oodbench.errors import DataError
from oodbench.types import ANOMALY, IN_DISTRIBUTION, Frame, FrameSet

PLUGINS = {"benchmarks": {"road-anomaly": ("RoadAnomaly", "60 web photographs of unusual things on roads (Lis 2019)")}}

# The authors' own test is `label >= 2`. They write 0 and 2 only; a 1 means a repack with another meaning.
_RULE = LabelRule(
    {0: IN_DISTRIBUTION, **dict.fromkeys(range(2, 256), ANOMALY)},
    "Label 1 is no value of the official set: a repack with 0 and 1 needs the official labels_semantic.png instead.",
)

_CARD = BenchmarkCard(
    name="road-anomaly",
    title="Road Anomaly",
    paper="Lis, Nakka, Fua, Salzmann: Detecting the Unexpected via Image Resynthesis. ICCV 2019",
    url="https://www.epfl.ch/labs/cvlab/data/road-anomaly/",
    licence="research use only; the photographs come from many sources, more than half of them Creative Commons",
    frames=60,
    labels={"0": "in-distribution", "2 and more": "anomaly"},
    layouts={
        "official": "frames/<name>.jpg and frames/<name>.labels/labels_semantic.png",
        "course": "RoadAnomaly/images/<n>.* and RoadAnomaly/labels_masks/<n>.png with the values 0 and 2",
    },
    obtain="Get RoadAnomaly_jpg.zip at https://datasets-cvlab.epfl.ch/2019-road-anomaly/RoadAnomaly_jpg.zip, "
    "unpack it, and give its folder: --data DIR",
    leaderboard_protocol="pooled",
)


class RoadAnomaly(Benchmark):
    """No void, no region of interest: every pixel counts."""

    card = _CARD

    def open(self, roots: Roots) -> FrameSet:
        layouts = {"official": _is_official, "course": course_recogniser("RoadAnomaly")}
        layout, folder = find_layout(_CARD.name, roots, layouts, _CARD.layouts, _CARD.obtain)
        frames = _official_frames(folder) if layout == "official" else course_frames(folder, _RULE)
        return FrameSet(frames, layout, folder, _CARD.frames)


def _is_official(folder: Path, named: bool) -> bool:
    return (folder / "frames").is_dir() and any((folder / "frames").glob("*.labels"))


def _official_frames(folder: Path) -> tuple[Frame, ...]:
    # Archives packed on a Mac hold a file ._name beside each name.
    images = {path.stem: path for path in sorted((folder / "frames").glob("[!.]*.jpg"))}
    masks = sorted((folder / "frames").glob("[!.]*.labels/labels_semantic.png"))
    labels = {path.parent.stem: path for path in masks}
    listing = folder / "frame_list.json"
    if listing.is_file():
        try:
            listed = [Path(str(name)).stem for name in json.loads(listing.read_text())]
        except ValueError as error:
            raise DataError(f"{listing}: not a JSON list of file names ({error})", _CARD.obtain) from None
        absent = [name for name in listed if name not in images]
        if absent:
            raise DataError(
                f"{folder / 'frames'}: {len(absent)} of the {len(listed)} images in {listing.name} are missing, "
                f"the first is {absent[0]}.jpg",
                _CARD.obtain,
            )
    return tuple(
        file_frame(name, name, image, label, _RULE) for name, image, label in pair_by_stem(images, labels, folder)
    )
