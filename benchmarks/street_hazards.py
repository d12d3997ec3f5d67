"""StreetHazards: simulated streets with foreign objects, under each of the label rules that papers use.

Hendrycks, Basart, Mazeika, Zou, Kwon, Mostajabi, Steinhardt, Song, "Scaling Out-of-Distribution Detection for
Real-World Settings", ICML 2022. Label files contain 1 to 14, the class index plus one; 14 is the foreign object.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from typing_extensions import override

from oodbench.class_sets import STREET_HAZARDS_13
from oodbench.contracts import Archive, Benchmark, BenchmarkCard, Dataset, DatasetCard, Roots
from oodbench.data import (
    LabelRule,
    Layout,
    convert_read_errors,
    file_frame,
    find_files,
    find_layout,
    index_images,
    open_layouts,
    pair_by_stem,
)
from oodbench.data.trees.walking import normalize_name
from oodbench.types import ANOMALY, IN_DISTRIBUTION, VOID, Frame, FrameSet

PLUGINS = {
    "benchmarks": {
        "street-hazards@caos": ("Caos", "1500 simulated frames with foreign objects; no pixel is ignored"),
        "street-hazards@densehybrid": ("DenseHybrid", "the same frames; the class 'other' is void"),
        "street-hazards@mask2anomaly": ("Mask2Anomaly", "the same frames; 'unlabeled' and 'other' are void"),
    },
    "datasets": {
        "street-hazards": ("StreetHazards", "13 classes of simulated streets: 5125 training, 1031 validation frames")
    },
}

_HINT = "Expected the published files, with values 1 to 14. A copy with 0 to 13 was modified."
_FOREIGN = 14
_UNLABELLED, _OTHER = 1, 4
_PAPER = "Hendrycks, Basart, Mazeika et al.: Scaling Out-of-Distribution Detection for Real-World Settings. ICML 2022"
_URL = "https://github.com/hendrycks/anomaly-seg"
_LICENCE = "not stated by its authors"


def _make_rule(*ignored: int) -> LabelRule:
    meaning = dict.fromkeys(range(1, _FOREIGN), IN_DISTRIBUTION)
    return LabelRule({**meaning, **dict.fromkeys(ignored, VOID), _FOREIGN: ANOMALY}, _HINT)


def _make_card(rule: str, protocol: str, ignored: str) -> BenchmarkCard:
    archive = "streethazards_test.tar"
    labels = {"1 to 13": f"in-distribution{ignored}", "14": "anomaly"}
    return BenchmarkCard(
        name=f"street-hazards@{rule}",
        title=f"StreetHazards ({rule})",
        paper=_PAPER,
        url=_URL,
        licence=_LICENCE,
        frames=1500,
        labels=labels,
        layouts={"official": "test/images/test/<town>/<n>.png and test/annotations/test/<town>/<n>.png"},
        obtain=f"Get {archive} at {_URL}, unpack it, and give its folder: --data DIR",
        leaderboard_protocol=protocol,
        variant_of="" if rule == "caos" else "street-hazards@caos",
        archives=(
            Archive(
                archive,
                f"https://people.eecs.berkeley.edu/~hendrycks/{archive}",
                md5="8c547c1346b00c21b2483887110bfea7",
            ),
        ),
    )


class _StreetHazards(Benchmark):
    """The test towns under one label rule."""

    rule: LabelRule

    @override
    def open(self, roots: Roots) -> FrameSet:
        return open_layouts(self.card, roots, {"official": Layout(_holds_test, self._frames)})

    def _frames(self, folder: Path) -> tuple[Frame, ...]:
        return tuple(
            file_frame(name, name.split("/")[0], image, label, self.rule)
            for name, image, label in _pair_files(folder, "test")
        )


class Caos(_StreetHazards):
    """The label rule of the authors' evaluation."""

    card = _make_card("caos", "caos", "")
    rule = _make_rule()


class DenseHybrid(_StreetHazards):
    """The label rule of DenseHybrid's evaluation."""

    card = _make_card("densehybrid", "strict-fpr", "; 4 (other) is void")
    rule = _make_rule(_OTHER)


class Mask2Anomaly(_StreetHazards):
    """The label rule of Mask2Anomaly's evaluation."""

    card = _make_card("mask2anomaly", "interpolated-fpr", "; 1 (unlabeled) and 4 (other) are void")
    rule = _make_rule(_UNLABELLED, _OTHER)


class StreetHazards(Dataset):
    """Three training towns and one validation town. 'unlabeled' is a separate class, as in the authors' network."""

    card = DatasetCard(
        name="street-hazards",
        title="StreetHazards",
        paper=_PAPER,
        url=_URL,
        licence=_LICENCE,
        classes=STREET_HAZARDS_13,
        splits={"training": 5125, "validation": 1031},
        layouts={"official": "train/images/<split>/<town>/<n>.png and train/annotations/<split>/<town>/<n>.png"},
        obtain=f"Get streethazards_train.tar at {_URL}, unpack it, and give its folder: --id-data DIR",
        archives=(
            Archive(
                "streethazards_train.tar",
                "https://people.eecs.berkeley.edu/~hendrycks/streethazards_train.tar",
                md5="cd2d1a8649848afb85b5059d227d2090",
            ),
        ),
    )

    @override
    def open(self, roots: Roots) -> Mapping[str, FrameSet]:
        card = self.card
        layout, folder = find_layout(card.name, roots, {"official": _holds_train}, card.layouts, card.obtain)
        splits = {}
        with convert_read_errors(folder):
            for split, expected in card.splits.items():
                frames = tuple(
                    file_frame(name, name.split("/")[0], image, label, _TRAINING_RULE, STREET_HAZARDS_13)
                    for name, image, label in _pair_files(folder, split)
                )
                if frames:
                    splits[split] = FrameSet(frames, layout, folder, expected)
        return splits


_TRAINING_RULE = LabelRule({value: value - 1 for value in range(1, _FOREIGN)}, _HINT)


def _holds_test(folder: Path, named: bool) -> bool:
    return _holds(folder, "test")


def _holds_train(folder: Path, named: bool) -> bool:
    return any(_holds(folder, split) for split in StreetHazards.card.splits)


def _holds(folder: Path, split: str) -> bool:
    """Return whether both trees have towns with images. The trees of ADE20K have the same names but no towns."""
    return all(any(map(index_images, find_files(folder, f"{part}/{split}/*"))) for part in ("images", "annotations"))


def _pair_files(folder: Path, split: str) -> list[tuple[str, Path, Path]]:
    """Pair the files of a split: (town/n, image, label) per frame. File names repeat in each town."""

    def index_files(part: str) -> dict[str, Path]:
        return {
            f"{normalize_name(town.name)}/{stem}": path
            for town in find_files(folder, f"{part}/{split}/*")
            for stem, path in index_images(town).items()
        }

    return pair_by_stem(index_files("images"), index_files("annotations"), folder)
