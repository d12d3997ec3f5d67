"""The embedded world: streets that are drawn, with the 19 classes of Cityscapes, and three regimes of anomalies.

`streets-train` and `streets-val` are one dataset's two splits. The regimes are named after what their shares, sizes and
places mimic: Lost and Found, Fishyscapes Static, Road Anomaly. Nothing is read from disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial

from oodbench.contracts import Benchmark, BenchmarkCard, Dataset, DatasetCard, Roots
from oodbench.types import CITYSCAPES_19, AnomalyLabels, Frame, FrameSet, RGBImage, SemanticLabels, Size
from oodbench.worlds import SEED, SIZE, SPLITS, VERSION, draw

PLUGINS = {
    "benchmarks": {
        "streets-obstacles": ("StreetsObstacles", "drawn streets, small things on the road (after Lost and Found)"),
        "streets-static": ("StreetsStatic", "drawn streets, pasted things (after Fishyscapes Static)"),
        "streets-anomaly": ("StreetsAnomaly", "drawn streets, large things and other roads (after Road Anomaly)"),
    },
    "datasets": {
        "streets-train": ("StreetsTrain", "drawn streets of 19 classes: 2000 training, 300 validation frames")
    },
}

_DATASET = "streets-train"
_LAYOUT = "drawn"
# What a run takes of each set by itself; the whole with --limit all.
_FIRST = 10


class StreetsTrain(Dataset):
    """What the embedded networks were trained on, and its validation split."""

    card = DatasetCard(
        name=_DATASET,
        title="Streets",
        paper="drawn by oodbench",
        url="",
        licence="Apache-2.0",
        classes=CITYSCAPES_19,
        splits={"train": SPLITS["train"].frames, "val": SPLITS["val"].frames},
        layouts={_LAYOUT: "nothing on disk"},
        obtain="It is part of oodbench.",
        drawn=True,
    )

    def open(self, roots: Roots) -> Mapping[str, FrameSet]:
        return {split: _frames(split) for split in self.card.splits}


class _Streets(Benchmark):
    """One regime."""

    split: str

    def open(self, roots: Roots) -> FrameSet:
        return _frames(self.split)


def _card(split: str, title: str, after: str) -> BenchmarkCard:
    return BenchmarkCard(
        name=f"streets-{split}",
        title=title,
        paper=f"drawn by oodbench; shares, sizes and places of the anomalies after {after}",
        url="",
        licence="Apache-2.0",
        frames=SPLITS[split].frames,
        labels={"0": "in-distribution", "1": "anomaly", "255": "void"},
        layouts={_LAYOUT: "nothing on disk"},
        obtain="It is part of oodbench.",
        leaderboard_protocol="pooled",
        dataset=_DATASET,
    )


class StreetsObstacles(_Streets):
    """Small things on the road."""

    split = "obstacles"
    card = _card(split, "Streets: obstacles", "Lost and Found in the version of Fishyscapes")


class StreetsStatic(_Streets):
    """Things pasted anywhere; a third of the frames has none, and ordinary things are pasted too."""

    split = "static"
    card = _card(split, "Streets: static", "Fishyscapes Static")


class StreetsAnomaly(_Streets):
    """Large and many things, on roads and in light that training does not show."""

    split = "anomaly"
    card = _card(split, "Streets: anomaly", "Road Anomaly")


def _frames(split: str) -> FrameSet:
    count = SPLITS[split].frames
    return FrameSet(tuple(_frame(split, index) for index in range(count)), _LAYOUT, None, count, default=_FIRST)


def _frame(split: str, index: int) -> Frame:
    name = f"{split}-{index:04d}"
    labelled = SPLITS[split].statistics is not None
    return Frame(
        id=name,
        group=name,
        read_size=_size,
        read_image=partial(_image, split, index),
        read_anomaly_labels=partial(_anomaly, split, index) if labelled else None,
        read_semantic_labels=partial(_semantic, split, index),
        identity=f"streets {VERSION} {SEED} {split} {index}",
    )


# A run reads a frame's image and labels at different times; 160 drawings take 400 MB.
_drawn = lru_cache(maxsize=160)(draw)


def _size() -> Size:
    return SIZE


def _image(split: str, index: int) -> RGBImage:
    return _drawn(split, index).image


def _anomaly(split: str, index: int) -> AnomalyLabels:
    return AnomalyLabels(_drawn(split, index).anomaly)


def _semantic(split: str, index: int) -> SemanticLabels:
    return SemanticLabels(_drawn(split, index).semantic, CITYSCAPES_19)
