"""Synthetic dataset of small frames: a square of one class on a background of another.

If the environment variable TORN_ON_RANK is set, the third frame that the process of this rank reads raises an error.
"""

import os
from collections.abc import Mapping

import numpy as np

from oodbench.contracts import Dataset, DatasetCard, Roots
from oodbench.errors import DataError
from oodbench.types import CITYSCAPES_19, Frame, FrameSet, SemanticLabels

_READ: list[int] = []
PLUGINS = {"datasets": {"blocks": ("Blocks", "squares on a background")}}


def _frame(split: str, index: int) -> Frame:
    def labels() -> np.ndarray:
        rng = np.random.default_rng([index, len(split)])
        values = np.full((64, 96), index % 4, np.uint8)
        top, left = rng.integers(0, 48), rng.integers(0, 80)
        values[top : top + 16, left : left + 16] = 5
        values[:2] = 255
        return values

    def image() -> np.ndarray:
        _READ.append(index)
        if len(_READ) == 3 and os.environ.get("RANK", "") == os.environ.get("TORN_ON_RANK", "no"):
            raise DataError("the third frame: torn", "Copy it again.")
        return np.repeat(labels()[:, :, None] * 20, 3, axis=2).astype(np.uint8)

    return Frame(
        f"{split}-{index}",
        split,
        lambda: (64, 96),
        image,
        read_semantic_labels=lambda: SemanticLabels(labels(), CITYSCAPES_19),
        identity=f"blocks {split} {index}",
    )


class Blocks(Dataset):
    """Dataset with two splits."""

    card = DatasetCard("blocks", "Blocks", "none", "", "none", CITYSCAPES_19, {"train": 6, "val": 3}, {"synthetic": ""},
                       "", synthetic=True)  # fmt: skip

    def open(self, roots: Roots) -> Mapping[str, FrameSet]:
        return {
            split: FrameSet(tuple(_frame(split, index) for index in range(count)), "synthetic", None, count)
            for split, count in self.card.splits.items()
        }
