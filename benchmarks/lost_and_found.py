"""Lost and Found: small lost objects on the road, under each of the label rules that papers use.

Pinggera, Ramos, Gehrig, Franke, Rother, Mester, "Lost and Found: Detecting Small Road Hazards for Self-Driving
Vehicles", IROS 2016. Its labels distinguish free road, obstacles, and objects that are not a hazard (timber, wheel
caps). Papers treat the last group differently, and their numbers are not comparable.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from typing_extensions import override

from oodbench.contracts import Archive, Benchmark, BenchmarkCard, ComponentSizes, Roots
from oodbench.data import (
    LabelRule,
    Layout,
    file_frame,
    find_files,
    find_layout,
    index_by_stem,
    open_layouts,
    pair_by_stem,
)
from oodbench.errors import DataError, DataNotFoundError
from oodbench.types import ANOMALY, IN_DISTRIBUTION, VOID, Frame, FrameSet

PLUGINS = {
    "benchmarks": {
        "lost-and-found@smiyc": ("Smiyc", "1186 test frames; objects that are not a hazard count as obstacles"),
        "lost-and-found@pebal": ("Pebal", "the same frames; objects that are not a hazard are void"),
        "lost-and-found@rba": ("Rba", "the same frames; objects that are not a hazard are in-distribution"),
        "lost-and-found-no-known@smiyc": ("SmiycNoKnown", "1043 test frames, without children and bicycles"),
        "lost-and-found-no-known@pebal": ("PebalNoKnown", "the same frames; objects that are not a hazard are void"),
        "lost-and-found-no-known@rba": (
            "RbaNoKnown",
            "the same frames; objects that are not a hazard are in-distribution",
        ),
    }
}

SMIYC_RULE = LabelRule(
    {0: VOID, 1: IN_DISTRIBUTION, **dict.fromkeys(range(2, 201), ANOMALY)},
    "Use Lost and Found's labelIds: 0 unlabelled, 1 free road, 2 to 43 objects.",
)
_TRAIN_IDS = "Use Lost and Found's labelTrainIds: 0 no hazard, 1 free road, 2 obstacle, 255 unlabelled."
_PEBAL_RULE = LabelRule({0: VOID, 1: IN_DISTRIBUTION, 2: ANOMALY, 255: VOID}, _TRAIN_IDS)
_RBA_RULE = LabelRule({0: IN_DISTRIBUTION, 1: IN_DISTRIBUTION, 2: ANOMALY, 255: VOID}, _TRAIN_IDS)

# Positions, in the whole test split sorted by id, of the frames without any label (the toolkit's testValid).
_WHOLE = 1203
_EMPTY = {17, 37, 55, 72, 91, 110, 129, 153, 174, 197, 218, 353, 490, 618, 686, 792, 793}
# Scenes with children and with bicycles, which are known classes (the toolkit's testNoKnown).
_KNOWN = (
    "15_Rechbergstr_Deckenpfronn",
    "01_Hanns_Klemm_Str_45_000006",
    "01_Hanns_Klemm_Str_45_000007",
    "10_Schlossberg_9_000004",
)

_LAYOUT = (
    "leftImg8bit/test/<scene>/<id>_leftImg8bit.png and gtCoarse/test/<scene>/<id>_gtCoarse_{labelIds,labelTrainIds}.png"
)
_DOWNLOADS = "http://www.dhbw-stuttgart.de/~sgehrig/lostAndFoundDataset"
LEFT_IMAGES = Archive(
    "leftImg8bit.zip",
    f"{_DOWNLOADS}/leftImg8bit.zip",
    size=5802953400,
    sha256="307f66002023ab597d309963b94990f5b9a8e5735ee729c3292647a66e9f2b18",
    available=False,
)
"""The frames of Lost and Found."""
COARSE_LABELS = Archive(
    "gtCoarse.zip",
    f"{_DOWNLOADS}/gtCoarse.zip",
    size=37756896,
    sha256="53b6d3ab000f08b1fb59d70c1398eecc4d82a7baf4e9cf74fbf60d1858abe9ac",
    available=False,
)
"""The labels of Lost and Found."""
CLOSED_PAGES = (
    "The authors' pages (www.6d-vision.com and www.dhbw-stuttgart.de/~sgehrig) no longer answer. Size and SHA-256 in "
    "'oodbench data where lost-and-found@smiyc' identify a copy of the archives on a mirror."
)
"""Where to get the archives of Lost and Found."""
_OBTAIN = f"Get leftImg8bit.zip and gtCoarse.zip, unpack both into one folder, and give it: --data DIR. {CLOSED_PAGES}"


class _LostAndFound(Benchmark):
    """The test split under one label rule."""

    rule: LabelRule
    ending: str
    without_known: bool = False

    @override
    def open(self, roots: Roots) -> FrameSet:
        frame_set = open_layouts(
            self.card, roots, {"official": Layout(partial(_is_official, self.ending), self._frames)}
        )
        assert frame_set.folder is not None, "it is stored on disk"
        if len(_index_test_images(frame_set.folder)) == _WHOLE:
            return frame_set
        # A frame without labels is all void. It is kept and has no effect if pixels are pooled.
        warning = f"{self.card.name}: incomplete test split; frames without labels can't be identified and are kept"
        return FrameSet(frame_set.frames, frame_set.layout, frame_set.folder, frame_set.expected, (warning,))

    def _frames(self, folder: Path) -> tuple[Frame, ...]:
        suffix = f"_gtCoarse_{self.ending}"
        images = _index_test_images(folder)
        labels = index_by_stem(find_files(folder, f"gtCoarse/test/*/*{suffix}*"), suffix)
        pairs = sorted(pair_by_stem(images, labels, folder / "leftImg8bit" / "test"))
        empty = _EMPTY if len(pairs) == _WHOLE else set()
        return tuple(
            file_frame(name, parse_scene(name), image, label, self.rule)
            for index, (name, image, label) in enumerate(pairs)
            if index not in empty and not (self.without_known and name.startswith(_KNOWN))
        )


def _make_card(rule: str, title: str, labels: Mapping[str, str], *, known: bool = True) -> BenchmarkCard:
    base = "lost-and-found" if known else "lost-and-found-no-known"
    usual = f"{base}@smiyc"
    return BenchmarkCard(
        name=f"{base}@{rule}",
        title=f"Lost and Found{'' if known else ' NoKnown'} ({title})",
        paper="Pinggera, Ramos, Gehrig, Franke, Rother, Mester: Lost and Found. IROS 2016",
        url="https://www.6d-vision.com/lostandfounddataset",
        url_available=False,
        licence="its own terms, stated on its former page",
        frames=1186 if known else 1043,
        labels=labels,
        layouts={"official": _LAYOUT},
        obtain=_OBTAIN,
        leaderboard_protocol="smiyc" if rule == "smiyc" else "pebal" if rule == "pebal" else "strict-fpr",
        components=ComponentSizes(prediction=50, object=10),  # as the obstacle track's
        variant_of="" if rule == "smiyc" and known else usual if rule != "smiyc" else "lost-and-found@smiyc",
        archives=(LEFT_IMAGES, COARSE_LABELS),
    )


_SMIYC = {"0": "void", "1": "free road", "2 to 200": "obstacle, including objects that are not a hazard"}
_PEBAL = {"0": "void: objects that are not a hazard", "1": "free road", "2": "obstacle", "255": "void"}
_RBA = {"0": "in-distribution: objects that are not a hazard", "1": "free road", "2": "obstacle", "255": "void"}


class Smiyc(_LostAndFound):
    """labelIds under the rule of SegmentMeIfYouCan's toolkit."""

    card = _make_card("smiyc", "SMIYC", _SMIYC)
    rule, ending = SMIYC_RULE, "labelIds"


class Pebal(_LostAndFound):
    """labelTrainIds under the rule of PEBAL."""

    card = _make_card("pebal", "PEBAL", _PEBAL)
    rule, ending = _PEBAL_RULE, "labelTrainIds"


class Rba(_LostAndFound):
    """labelTrainIds under the rule of RbA."""

    card = _make_card("rba", "RbA", _RBA)
    rule, ending = _RBA_RULE, "labelTrainIds"


class SmiycNoKnown(Smiyc):
    """The track of SegmentMeIfYouCan's public table."""

    card = _make_card("smiyc", "SMIYC", _SMIYC, known=False)
    without_known = True


class PebalNoKnown(Pebal):
    """The frames of NoKnown under the label rule of PEBAL."""

    card = _make_card("pebal", "PEBAL", _PEBAL, known=False)
    without_known = True


class RbaNoKnown(Rba):
    """The frames of NoKnown under the label rule of RbA."""

    card = _make_card("rba", "RbA", _RBA, known=False)
    without_known = True


def parse_scene(identity: str) -> str:
    """Return the scene in a frame id, or another id unchanged.

    The scene of `04_Maurener_Weg_8_000000_000030` is `04_Maurener_Weg_8`.
    """
    match = re.fullmatch(r"(\d\d_.+)_\d{6}_\d{6}", identity)
    return match[1] if match else identity


def find_left_images(card: BenchmarkCard, roots: Roots) -> dict[str, Path]:
    """Find the frames of both splits by id, in the folder with leftImg8bit under the card's roots.

    Raises:
        DataError: The frames are not found.
    """
    return _find_in_both_splits(card, roots, "leftImg8bit", "_leftImg8bit")


def find_coarse_labels(card: BenchmarkCard, roots: Roots) -> dict[str, Path]:
    """Find the labelIds files of both splits by id, in the folder with gtCoarse under the card's roots.

    Raises:
        DataError: The files are not found.
    """
    return _find_in_both_splits(card, roots, "gtCoarse", "_gtCoarse_labelIds")


def _find_in_both_splits(card: BenchmarkCard, roots: Roots, what: str, suffix: str) -> dict[str, Path]:
    def recognise(folder: Path, named: bool) -> bool:
        return any(any(find_files(folder, f"{what}/{split}/[0-9][0-9]_*")) for split in ("train", "test"))

    try:
        _, folder = find_layout(card.name, roots, {"official": recognise}, {"official": _LAYOUT}, card.obtain)
    except DataNotFoundError:
        searched = ", ".join(map(str, roots.of(card.name)))
        raise DataError(
            f"{card.name}: its labels were found, but not the frames of Lost and Found in {searched}; "
            f"expected {what}/{{train,test}}/<scene>/<id>{suffix}.png",
            card.obtain,
        ) from None
    return index_by_stem(find_files(folder, f"{what}/*/*/*{suffix}*"), suffix)


def _is_official(ending: str, folder: Path, named: bool) -> bool:
    return (folder / "leftImg8bit" / "test").is_dir() and any(
        find_files(folder, f"gtCoarse/test/[0-9][0-9]_*/*_gtCoarse_{ending}*")
    )


def _index_test_images(folder: Path) -> dict[str, Path]:
    """Index the frames of the test split; WebP and JPEG copies circulate, and the toolkit reads them too."""
    return index_by_stem(find_files(folder, "leftImg8bit/test/*/*_leftImg8bit*"), "_leftImg8bit")
