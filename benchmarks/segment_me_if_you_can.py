"""Validation frames of SegmentMeIfYouCan: RoadAnomaly21 (any unusual object), RoadObstacle21 (objects on the road).

Chan, Lis, Uhlemeyer, Blum, Honari, Siegwart, Fua, Salzmann, Rottmann, "SegmentMeIfYouCan: A Benchmark for Anomaly
Segmentation", NeurIPS 2021 Datasets and Benchmarks. segment_me_hidden.py contains the test frames, whose labels are
not public.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from typing_extensions import override

from oodbench.contracts import Archive, Benchmark, BenchmarkCard, ComponentSizes, Roots
from oodbench.data import (
    VOID_RULE,
    LabelRule,
    Layout,
    file_frame,
    find_files,
    index_images,
    make_course_layout,
    open_layouts,
    pair_by_stem,
)
from oodbench.types import Frame, FrameSet

PLUGINS = {
    "benchmarks": {
        "road-anomaly-21": ("RoadAnomaly21", "anomaly track of SegmentMeIfYouCan, 10 validation frames"),
        "road-obstacle-21": ("RoadObstacle21", "obstacle track of SegmentMeIfYouCan, 30 validation frames"),
    }
}

_RULE = LabelRule(VOID_RULE, "Use the authors' labels: 0 not anomalous, 1 anomalous, 255 void.")
_LABEL_ENDING = "_labels_semantic"
LEFT_OUT = re.compile(r"validation_(19|2[1-9])$")
"""Matches the names of validation frames of the obstacle track that the toolkit leaves out."""


def make_track_card(
    track: str, part: str, frames: int, labels: Mapping[str, str], layouts: Mapping[str, str], title: str = ""
) -> BenchmarkCard:
    """Create the card of a part of a track, or of its validation frames if the part has no name.

    Args:
        track: Name of the benchmark of the track's validation frames.
        part: Name of the part.
        frames: Number of frames.
        labels: Meaning of the label values; empty if the labels are not public.
        layouts: Descriptions of the layouts.
        title: Title of the part, if it differs from its name.
    """
    anomaly = track == "road-anomaly-21"
    name = {"road-anomaly-21": "RoadAnomaly21", "road-obstacle-21": "RoadObstacle21"}[track]
    archive, record, digest = (
        ("dataset_AnomalyTrack.zip", "5270237", "231bf79ed58924bcd33d9cbe22e61076")
        if anomaly
        else ("dataset_ObstacleTrack.zip", "5281633", "895fb36d18765482cc291f69e63d6da6")
    )
    return BenchmarkCard(
        name=f"{track}-{part}" if part else track,
        title=f"{name} {title or part}".strip(),
        paper="Chan, Lis, Uhlemeyer et al.: SegmentMeIfYouCan. NeurIPS 2021 Datasets and Benchmarks",
        url="https://segmentmeifyoucan.com/datasets",
        licence="the photographs are CC BY, CC BY-SA or public domain, each with its own author"
        if anomaly
        else "CC BY 4.0",
        frames=frames,
        labels=labels,
        layouts=layouts,
        obtain=f"Get {archive} at https://zenodo.org/records/{record}, unpack it, and give its folder: --data DIR",
        leaderboard_protocol="smiyc",
        components=ComponentSizes() if anomaly else ComponentSizes(prediction=50, object=10),
        variant_of=track if part else "",
        archives=(
            Archive(archive, f"https://zenodo.org/records/{record}/files/{archive}", md5=digest, fetchable=True),
        ),
    )


class _Validation(Benchmark):
    """The validation frames of one track."""

    course_folders: tuple[str, ...]
    frame_name: re.Pattern[str]

    @override
    def open(self, roots: Roots) -> FrameSet:
        layouts = {
            "official": Layout(self._is_official, self._frames),
            "course-material": make_course_layout(_RULE, *self.course_folders),
        }
        return open_layouts(self.card, roots, layouts)

    def _is_official(self, folder: Path, named: bool) -> bool:
        return (folder / "images").is_dir() and any(
            self.frame_name.match(path.stem.removesuffix(_LABEL_ENDING))
            for path in find_files(folder / "labels_masks", f"validation*{_LABEL_ENDING}*")
        )

    def _frames(self, folder: Path) -> tuple[Frame, ...]:
        def ours(files: Mapping[str, Path]) -> dict[str, Path]:
            return {n: path for n, path in files.items() if self.frame_name.match(n) and not LEFT_OUT.match(n)}

        images = ours(index_images(folder / "images"))
        labels = ours(index_images(folder / "labels_masks", _LABEL_ENDING))
        pairs = pair_by_stem(images, labels, folder)
        return tuple(file_frame(name, name, image, label, _RULE) for name, image, label in pairs)


class RoadAnomaly21(_Validation):
    """The anomaly track: images of 2048 x 1024 and of 1280 x 720 pixels."""

    card = make_track_card(
        "road-anomaly-21",
        "",
        10,
        {"0": "not an anomaly", "1": "anomaly", "255": "void"},
        {
            "official": "images/validation0000.jpg and labels_masks/validation0000_labels_semantic.png",
            "course-material": "RoadAnomaly21/images/<n>.* and RoadAnomaly21/labels_masks/<n>.png",
        },
    )
    course_folders = ("RoadAnomaly21",)
    frame_name = re.compile(r"validation\d{4}$")


class RoadObstacle21(_Validation):
    """The obstacle track: pixels off the road are void."""

    card = make_track_card(
        "road-obstacle-21",
        "",
        30,
        {"0": "road", "1": "obstacle", "255": "void: everything off the road"},
        {
            "official": "images/validation_0.webp and labels_masks/validation_0_labels_semantic.png",
            "course-material": "RoadObsticle21 (sic)/images/<n>.* and RoadObsticle21/labels_masks/<n>.png",
        },
    )
    course_folders = ("RoadObsticle21", "RoadObstacle21")
    frame_name = re.compile(r"validation_\d+$")
