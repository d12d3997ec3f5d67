"""SegmentMeIfYouCan's validation frames: RoadAnomaly21 (any unusual thing) and RoadObstacle21 (things on the road).

Chan, Lis, Uhlemeyer, Blum, Honari, Siegwart, Fua, Salzmann, Rottmann, "SegmentMeIfYouCan: A Benchmark for Anomaly
Segmentation", NeurIPS 2021 Datasets and Benchmarks. The labels of the test frames are secret.
"""

from __future__ import annotations

import re
from pathlib import Path

from oodbench.contracts import Benchmark, BenchmarkCard, ComponentSizes, Roots
from oodbench.data import (
    VOID_RULE,
    LabelRule,
    course_frames,
    course_recogniser,
    file_frame,
    find_layout,
    images_by_stem,
    pair_by_stem,
)
from oodbench.types import Frame, FrameSet

PLUGINS = {
    "benchmarks": {
        "road-anomaly-21": ("RoadAnomaly21", "SegmentMeIfYouCan's anomaly track, 10 validation frames"),
        "road-obstacle-21": ("RoadObstacle21", "SegmentMeIfYouCan's obstacle track, 30 validation frames"),
    }
}

_PAPER = "Chan, Lis, Uhlemeyer et al.: SegmentMeIfYouCan. NeurIPS 2021 Datasets and Benchmarks"
_URL = "https://segmentmeifyoucan.com/datasets"
_RULE = LabelRule(VOID_RULE, "Expected the authors' labels: 0 not anomalous, 1 anomalous, 255 void.")
_LABEL_ENDING = "_labels_semantic"
# The toolkit leaves these frames out of the validation split of the obstacle track, by prefix.
_LEFT_OUT = re.compile(r"validation_(19|2[1-9])$")


class _Track(Benchmark):
    """The validation frames of one track."""

    course_names: tuple[str, ...]
    frame_name: re.Pattern[str]

    def open(self, roots: Roots) -> FrameSet:
        card = self.card
        layouts = {"official": self._is_official, "course": course_recogniser(*self.course_names)}
        layout, folder = find_layout(card.name, roots, layouts, card.layouts, card.obtain)
        frames = self._official_frames(folder) if layout == "official" else course_frames(folder, _RULE)
        return FrameSet(frames, layout, folder, card.frames)

    def _is_official(self, folder: Path, named: bool) -> bool:
        labels = folder / "labels_masks"
        return (folder / "images").is_dir() and any(
            self.frame_name.match(path.stem.removesuffix(_LABEL_ENDING))
            for path in labels.glob(f"validation*{_LABEL_ENDING}.png")
        )

    def _official_frames(self, folder: Path) -> tuple[Frame, ...]:
        def ours(stem: str) -> bool:
            return bool(self.frame_name.match(stem)) and not _LEFT_OUT.match(stem)

        images = {stem: path for stem, path in images_by_stem(folder / "images").items() if ours(stem)}
        labels = {
            stem: path
            for path in sorted((folder / "labels_masks").glob(f"[!.]*{_LABEL_ENDING}.png"))
            if ours(stem := path.stem.removesuffix(_LABEL_ENDING))
        }
        pairs = pair_by_stem(images, labels, folder)
        return tuple(file_frame(name, name, image, label, _RULE) for name, image, label in pairs)


class RoadAnomaly21(_Track):
    """Images of 2048 x 1024 and of 1280 x 720."""

    card = BenchmarkCard(
        name="road-anomaly-21",
        title="RoadAnomaly21",
        paper=_PAPER,
        url=_URL,
        licence="the photographs are CC BY, CC BY-SA or public domain, each with its own author",
        frames=10,
        labels={"0": "not an anomaly", "1": "anomaly", "255": "void"},
        layouts={
            "official": "images/validation0000.jpg and labels_masks/validation0000_labels_semantic.png",
            "course": "RoadAnomaly21/images/<n>.* and RoadAnomaly21/labels_masks/<n>.png",
        },
        obtain="Get dataset_AnomalyTrack.zip at https://zenodo.org/records/5270237, unpack it, and give its folder: "
        "--data DIR",
        leaderboard_protocol="smiyc",
    )
    course_names = ("RoadAnomaly21",)
    frame_name = re.compile(r"validation\d{4}$")


class RoadObstacle21(_Track):
    """Everything off the road is void."""

    card = BenchmarkCard(
        name="road-obstacle-21",
        title="RoadObstacle21",
        paper=_PAPER,
        url=_URL,
        licence="CC BY 4.0",
        frames=30,
        labels={"0": "road", "1": "obstacle", "255": "void: everything off the road"},
        layouts={
            "official": "images/validation_0.webp and labels_masks/validation_0_labels_semantic.png",
            "course": "RoadObsticle21 (sic)/images/<n>.* and RoadObsticle21/labels_masks/<n>.png",
        },
        obtain="Get dataset_ObstacleTrack.zip at https://zenodo.org/records/5281633, unpack it, and give its folder: "
        "--data DIR",
        leaderboard_protocol="smiyc",
        components=ComponentSizes(prediction=50, object=10),
    )
    course_names = ("RoadObsticle21", "RoadObstacle21")
    frame_name = re.compile(r"validation_\d+$")
