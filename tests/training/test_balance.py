"""Class-balanced sampling of frames."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import save

from oodbench.errors import DataError
from oodbench.training.balance import BalancedSampler, frames_by_class


@pytest.fixture
def labels(tmp_path: Path) -> list[Path]:
    """Three frames: all have class 0, the second has class 3 too, the third a pixel of class 7."""
    frames = np.zeros((3, 4, 6), np.uint8)
    frames[:, 0] = 255
    frames[1, 2] = 3
    frames[2, 3, 5] = 7
    return [save(tmp_path / f"{index}.png", frame) for index, frame in enumerate(frames)]


class Frames:
    def __init__(self, labels: list[Path]) -> None:
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)

    def get_data_info(self, index: int) -> dict[str, Any]:
        return {"seg_map_path": str(self.labels[index])}


def test_the_index_says_which_frames_have_a_class(labels: list[Path]) -> None:
    assert frames_by_class(labels) == {0: [0, 1, 2], 3: [1], 7: [2]}
    assert frames_by_class(labels, least_pixels=2) == {0: [0, 1, 2], 3: [1]}


def test_classes_are_drawn_evenly(labels: list[Path]) -> None:
    counts = np.bincount(list(islice(BalancedSampler(Frames(labels), seed=1), 9000)), minlength=3)
    # A third of the draws is of class 0, and a third of those is of each frame.
    assert np.allclose(counts / 9000, [1 / 9, 4 / 9, 4 / 9], atol=0.02)


def test_ranks_share_one_order(labels: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = list(islice(BalancedSampler(Frames(labels), seed=1), 20))
    assert whole != list(islice(BalancedSampler(Frames(labels), seed=2), 20))
    parts = []
    for rank in range(2):
        monkeypatch.setattr("oodbench.training.balance.get_dist_info", lambda rank=rank: (rank, 2))
        parts.append(list(islice(BalancedSampler(Frames(labels), seed=1), 10)))
    assert [draw for pair in zip(*parts, strict=True) for draw in pair] == whole


def test_labels_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone.png: not an 8-bit label image"):
        frames_by_class([tmp_path / "gone.png"])
    colours = save(tmp_path / "colours.png", np.zeros((4, 6, 3), np.uint8))
    with pytest.raises(DataError, match=r"colours.png: not an 8-bit label image"):
        frames_by_class([colours])
    void = save(tmp_path / "void.png", np.full((4, 6), 255, np.uint8))
    with pytest.raises(DataError, match="no label in 1 frames"):
        BalancedSampler(Frames([void]), seed=0)
