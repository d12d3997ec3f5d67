"""Synthetic labelled frames in Cityscapes' layout: small streets with cars and people."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from oodbench.benchmarks.datasets.cityscapes import _EVALUATED
from oodbench.types import VOID
from oodbench.worlds import render_frame
from tests.helpers.files import save

SIZE = (256, 512)


def write_streets(root: Path, count: int = 2) -> Path:
    ids = np.zeros(256, np.uint8)
    ids[: len(_EVALUATED)] = _EVALUATED
    ids[VOID] = 0
    for index in range(count):
        drawing = render_frame("val", index, SIZE)
        name = f"town_{index:06d}_000019"
        save(root / "leftImg8bit" / "val" / "town" / f"{name}_leftImg8bit.png", drawing.image)
        save(root / "gtFine" / "val" / "town" / f"{name}_gtFine_labelIds.png", ids[drawing.semantic])
    return root
