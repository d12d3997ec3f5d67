"""ADE20K scene parsing: 150 classes of indoor and outdoor scenes.

Zhou, Zhao, Puig, Fidler, Barriuso, Torralba, "Scene Parsing through ADE20K Dataset", CVPR 2017.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from typing_extensions import override

from oodbench.class_sets import ADE20K_150
from oodbench.contracts import Dataset, DatasetCard, Roots
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

PLUGINS = {"datasets": {"ade20k": ("Ade20k", "scenes of 150 classes: 20210 training, 2000 validation frames")}}

_RULE = LabelRule(
    {0: VOID, **{index + 1: index for index in range(len(ADE20K_150))}},
    "Use the annotations of the scene parsing benchmark: 0 for none of the classes, 1 to 150.",
)


class Ade20k(Dataset):
    """The scene parsing benchmark of 2016, not the full dataset with thousands of classes."""

    card = DatasetCard(
        name="ade20k",
        title="ADE20K",
        paper="Zhou, Zhao, Puig, Fidler, Barriuso, Torralba: Scene Parsing through ADE20K Dataset. CVPR 2017",
        url="http://sceneparsing.csail.mit.edu",
        licence="research use only, according to the terms on its page",
        classes=ADE20K_150,
        splits={"training": 20210, "validation": 2000},
        layouts={"official": "images/<split>/ADE_*.jpg and annotations/<split>/ADE_*.png (ADEChallengeData2016)"},
        obtain="Get ADEChallengeData2016.zip at http://sceneparsing.csail.mit.edu, unpack it, and give its folder: "
        "--id-data DIR",
    )

    @override
    def open(self, roots: Roots) -> Mapping[str, FrameSet]:
        card = self.card
        layout, folder = find_layout(card.name, roots, {"official": _is_official}, card.layouts, card.obtain)
        with convert_read_errors(folder):
            return {split: found for split in card.splits if (found := _open_split(folder, split, layout)).frames}


def _is_official(folder: Path, named: bool) -> bool:
    """Recognise the files by their names, because other datasets have images/ and annotations/ too."""
    return any(
        all(any(find_files(folder, f"{part}/{split}/ADE_*")) for part in ("images", "annotations"))
        for split in Ade20k.card.splits
    )


def _open_split(folder: Path, split: str, layout: str) -> FrameSet:
    images = index_images(folder / "images" / split)
    labels = index_images(folder / "annotations" / split)
    frames = tuple(
        file_frame(name, name, image, label, _RULE, ADE20K_150)
        for name, image, label in pair_by_stem(images, labels, folder / "images" / split)
    )
    return FrameSet(frames, layout, folder, Ade20k.card.splits[split])
