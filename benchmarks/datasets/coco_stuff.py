"""COCO-Stuff: 80 thing classes and 91 stuff classes in the images of COCO 2017.

Caesar, Uijlings, Ferrari, "COCO-Stuff: Thing and Stuff Classes in Context", CVPR 2018.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from typing_extensions import override

from oodbench.class_sets import COCO_STUFF_171
from oodbench.contracts import Archive, Dataset, DatasetCard, Roots
from oodbench.data import (
    LabelRule,
    convert_read_errors,
    file_frame,
    find_files,
    find_layout,
    index_images,
    pair_by_stem,
)
from oodbench.types import VOID, FrameSet

PLUGINS = {"datasets": {"coco-stuff": ("CocoStuff", "171 classes: 118287 training, 5000 validation frames")}}

# Raw labels are COCO's category ids minus one; eleven ids of thing classes were never used.
_UNUSED = {11, 25, 28, 29, 44, 65, 67, 68, 70, 82, 90}
_RAW = [value for value in range(182) if value not in _UNUSED]
_RAW_RULE = LabelRule(
    {**{value: index for index, value in enumerate(_RAW)}, 255: VOID},
    "Use the published stuffthingmaps: 0 to 181 with gaps, 255 unlabelled.",
)
_TRAIN_ID_RULE = LabelRule(
    {**{index: index for index in range(len(_RAW))}, 255: VOID},
    "Use *_labelTrainIds.png as written by MMSegmentation's converter: 0 to 170, 255 unlabelled.",
)
_TRAIN_IDS = "_labelTrainIds"
_LABEL_FOLDERS = ("stuffthingmaps_trainval2017", "stuffthingmaps", "annotations")
_NAME = re.compile(r"\d{12}$")


class CocoStuff(Dataset):
    """Raw labels or converted labels; the raw ones are preferred if both exist."""

    card = DatasetCard(
        name="coco-stuff",
        title="COCO-Stuff",
        paper="Caesar, Uijlings, Ferrari: COCO-Stuff: Thing and Stuff Classes in Context. CVPR 2018",
        url="https://github.com/nightrome/cocostuff",
        licence="annotations CC BY 4.0; each photograph has its own terms at Flickr",
        classes=COCO_STUFF_171,
        splits={"train2017": 118287, "val2017": 5000},
        layouts={
            "official": "images/<split>/<12 digits>.jpg and stuffthingmaps_trainval2017/<split>/<12 digits>.png; "
            "stuffthingmaps/ or annotations/ likewise",
            "mmsegmentation": "images/<split>/<12 digits>.jpg and annotations/<split>/<12 digits>_labelTrainIds.png",
        },
        obtain="Get train2017.zip and val2017.zip at https://cocodataset.org/#download and "
        "stuffthingmaps_trainval2017.zip at https://github.com/nightrome/cocostuff, unpack the images into images/, "
        "the labels next to it, and give the folder: --id-data DIR",
        archives=(
            Archive("train2017.zip"),
            Archive("val2017.zip"),
            Archive("stuffthingmaps_trainval2017.zip"),
        ),
    )

    @override
    def open(self, roots: Roots) -> Mapping[str, FrameSet]:
        card = self.card
        recognisers = {
            "official": lambda folder, named: _find_label_folder(folder, "") is not None,
            "mmsegmentation": lambda folder, named: _find_label_folder(folder, _TRAIN_IDS) is not None,
        }
        layout, folder = find_layout(card.name, roots, recognisers, card.layouts, card.obtain)
        with convert_read_errors(folder):
            return {split: found for split in card.splits if (found := _open_split(folder, split, layout)).frames}


def _find_label_folder(folder: Path, suffix: str) -> Path | None:
    """Return the folder next to images/ with labels of one kind; None if there is none."""
    for name in _LABEL_FOLDERS if (folder / "images").is_dir() else ():
        for split in CocoStuff.card.splits:
            files = find_files(folder, f"{name}/{split}/*{suffix}*")
            if any(_NAME.match(path.stem.removesuffix(suffix)) for path in files if path.stem.endswith(suffix)):
                return folder / name
    return None


def _open_split(folder: Path, split: str, layout: str) -> FrameSet:
    suffix, rule = ("", _RAW_RULE) if layout == "official" else (_TRAIN_IDS, _TRAIN_ID_RULE)
    place = _find_label_folder(folder, suffix)
    assert place is not None, "the layout was recognised by it"
    images = index_images(folder / "images" / split)
    labels = index_images(place / split, suffix)
    labels = {name: path for name, path in labels.items() if _NAME.match(name)}
    frames = tuple(
        file_frame(name, name, image, label, rule, COCO_STUFF_171)
        for name, image, label in pair_by_stem(images, labels, folder / "images" / split)
    )
    return FrameSet(frames, layout, folder, CocoStuff.card.splits[split])
