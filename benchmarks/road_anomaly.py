"""Road Anomaly: 60 web photographs of animals, rocks, cones and unusual vehicles on roads.

Lis, Nakka, Fua, Salzmann, "Detecting the Unexpected via Image Resynthesis", ICCV 2019.
"""

from __future__ import annotations

import json
from pathlib import Path

from typing_extensions import override

from oodbench.contracts import Archive, Benchmark, BenchmarkCard, Roots
from oodbench.data import (
    LabelRule,
    Layout,
    file_frame,
    find_files,
    index_images,
    make_course_layout,
    make_synboost_layout,
    open_layouts,
    pair_by_stem,
)
from oodbench.data.trees.walking import normalize_name
from oodbench.errors import DataError
from oodbench.files import read_text
from oodbench.types import ANOMALY, IN_DISTRIBUTION, Frame, FrameSet

PLUGINS = {"benchmarks": {"road-anomaly": ("RoadAnomaly", "60 web photographs of unusual objects on roads (Lis 2019)")}}

# The authors' evaluation tests `label >= 2`. Their files contain only 0 and 2; a 1 indicates a modified copy.
_RULE = LabelRule(
    {0: IN_DISTRIBUTION, **dict.fromkeys(range(2, 256), ANOMALY)},
    "The official labels do not contain the value 1. Use the official labels_semantic.png instead of this copy.",
)
_SYNBOOST_RULE = LabelRule(
    {0: IN_DISTRIBUTION, 1: ANOMALY}, "Use SynBoost's labels: 0 in-distribution, 1 anomaly, no void."
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
        "course-material": "RoadAnomaly/images/<n>.* and RoadAnomaly/labels_masks/<n>.png with the values 0 and 2",
        "synboost": "road_anomaly/original/<n>.jpg and road_anomaly/labels/<n>.png with the values 0 and 1",
    },
    obtain="Get RoadAnomaly_jpg.zip at https://datasets-cvlab.epfl.ch/2019-road-anomaly/RoadAnomaly_jpg.zip, "
    "unpack it, and give its folder: --data DIR",
    leaderboard_protocol="pooled",
    archives=(
        Archive(
            "RoadAnomaly_jpg.zip",
            "https://datasets-cvlab.epfl.ch/2019-road-anomaly/RoadAnomaly_jpg.zip",
            md5="87a0908e5c72827824693913cf2e4fb0",
            fetchable=True,
        ),
    ),
)


class RoadAnomaly(Benchmark):
    """All pixels are evaluated: there is no void and no region of interest."""

    card = _CARD

    @override
    def open(self, roots: Roots) -> FrameSet:
        return open_layouts(
            _CARD,
            roots,
            {
                "official": Layout(_is_official, _pair_official),
                "course-material": make_course_layout(_RULE, "RoadAnomaly"),
                "synboost": make_synboost_layout(_SYNBOOST_RULE, "road_anomaly"),
            },
        )


def _is_official(folder: Path, named: bool) -> bool:
    return (folder / "frames").is_dir() and any(find_files(folder, "frames/*.labels"))


def _pair_official(folder: Path) -> tuple[Frame, ...]:
    images = index_images(folder / "frames")
    labels = {
        name: path
        for labels_folder in find_files(folder, "frames/*.labels")
        for path in index_images(labels_folder, "labels_semantic").values()
        if (name := normalize_name(labels_folder.stem))
    }
    listing = folder / "frame_list.json"
    if listing.is_file():
        absent = [name for name in _read_frame_list(listing) if normalize_name(Path(name).stem) not in images]
        if absent:
            raise DataError(
                f"{folder / 'frames'}: {len(absent)} of the images in {listing.name} are missing, "
                f"the first is {absent[0]}",
                _CARD.obtain,
                [f"{folder / 'frames' / name}: is missing, and {listing.name} lists it" for name in absent],
            )
    return tuple(
        file_frame(name, name, image, label, _RULE) for name, image, label in pair_by_stem(images, labels, folder)
    )


def _read_frame_list(listing: Path) -> list[str]:
    """Read the file names in frame_list.json."""
    try:
        names = json.loads(read_text(listing))
        if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
            raise ValueError("it contains something else")
    except (ValueError, RecursionError) as error:
        raise DataError(f"{listing}: not a JSON list of file names ({error})", _CARD.obtain) from None
    return [Path(name).name for name in names]
