"""Cityscapes: methods are fitted on its training split and calibrated on its validation split.

Cordts, Omran, Ramos, Rehfeld, Enzweiler, Benenson, Franke, Roth, Schiele, "The Cityscapes Dataset for Semantic Urban
Scene Understanding", CVPR 2016.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from typing_extensions import override

from oodbench.contracts import Dataset, DatasetCard, Roots
from oodbench.data import LabelRule, convert_read_errors, file_frame, find_files, find_layout, pair_cityscapes
from oodbench.types import CITYSCAPES_19, VOID, FrameSet

PLUGINS = {
    "datasets": {"cityscapes": ("Cityscapes", "fine labels of 19 classes: 2975 training, 500 validation frames")}
}

# labelIds of the evaluated classes in trainId order (cityscapesScripts, helpers/labels.py); the others are void.
_EVALUATED = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
_RULE = LabelRule(
    {**dict.fromkeys(range(34), VOID), **{value: index for index, value in enumerate(_EVALUATED)}},
    "Use the published files *_gtFine_labelIds.png, with values from 0 to 33. Files with trainIds contain 255 for "
    "void.",
)

_CARD = DatasetCard(
    name="cityscapes",
    title="Cityscapes",
    paper="Cordts et al.: The Cityscapes Dataset for Semantic Urban Scene Understanding. CVPR 2016",
    url="https://www.cityscapes-dataset.com",
    licence="free for research after registration; no redistribution",
    classes=CITYSCAPES_19,
    splits={"train": 2975, "val": 500},
    layouts={
        "official": "leftImg8bit/<split>/<city>/<id>_leftImg8bit.png and gtFine/<split>/<city>/<id>_gtFine_labelIds.png"
    },
    obtain="Get leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip at https://www.cityscapes-dataset.com, "
    "unpack both into one folder, and give it: --id-data DIR",
)


class Cityscapes(Dataset):
    """The official layout with fine labels."""

    card = _CARD

    @override
    def open(self, roots: Roots) -> Mapping[str, FrameSet]:
        layout, folder = find_layout(_CARD.name, roots, {"official": _is_official}, _CARD.layouts, _CARD.obtain)
        with convert_read_errors(folder):
            return {split: found for split in _CARD.splits if (found := _open_split(folder, split, layout)).frames}


def _open_split(folder: Path, split: str, layout: str) -> FrameSet:
    pairs = pair_cityscapes(folder / "leftImg8bit" / split, folder / "gtFine" / split)
    frames = tuple(
        file_frame(name, name.split("_")[0], image, label, _RULE, CITYSCAPES_19) for name, image, label in pairs
    )
    return FrameSet(frames, layout, folder, _CARD.splits[split])


def _is_official(folder: Path, named: bool) -> bool:
    return any(
        any(find_files(folder, f"gtFine/{split}/*/*_gtFine_labelIds*")) and (folder / "leftImg8bit" / split).is_dir()
        for split in _CARD.splits
    )
