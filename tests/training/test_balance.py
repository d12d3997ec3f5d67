"""Class-balanced sampling of frames."""

from __future__ import annotations

from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from oodbench.errors import DataError
from oodbench.segmenters.mmsegmentation.shims import import_mmseg
from oodbench.training.balance import BalancedSampler
from oodbench.training.sampling import ClassBalancedOrder, ShuffledOrder, StepBatches, index_frames_by_class
from tests.helpers.files import save


@pytest.fixture
def labels(tmp_path: Path) -> list[Path]:
    """Write labels of three frames: all have class 0, the second also class 3, the third also a pixel of class 7."""
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


def test_the_index_has_the_frames_per_class(labels: list[Path]) -> None:
    readers = [partial(cv2.imread, str(path), cv2.IMREAD_UNCHANGED) for path in labels]
    assert index_frames_by_class(readers) == {0: [0, 1, 2], 3: [1], 7: [2]}  # type: ignore[arg-type]
    assert index_frames_by_class(readers, min_pixels=2) == {0: [0, 1, 2], 3: [1]}  # type: ignore[arg-type]


def test_orders_depend_only_on_the_draw() -> None:
    order = ShuffledOrder(5, seed=3)
    drawn = [order(draw)[0] for draw in range(15)]
    assert [sorted(drawn[start : start + 5]) for start in (0, 5, 10)] == [list(range(5))] * 3
    assert [ShuffledOrder(5, seed=3)(draw)[0] for draw in (14, 2, 7)] == [drawn[draw] for draw in (14, 2, 7)]
    assert drawn != [ShuffledOrder(5, seed=4)(draw)[0] for draw in range(15)]
    balanced = ClassBalancedOrder({0: [0, 1], 9: [4]}, seed=3)
    assert {balanced(draw) for draw in range(50)} == {(0, 0), (1, 0), (4, 9)}
    again = ClassBalancedOrder({0: [0, 1], 9: [4]}, seed=3)
    assert [balanced(draw) for draw in range(9)] == [again(draw) for draw in range(9)]


def test_processes_share_the_draws_of_each_step() -> None:
    whole = list(StepBatches(3, 6, 4))
    assert whole == [[12, 13, 14, 15], [16, 17, 18, 19], [20, 21, 22, 23]]
    shares = [list(StepBatches(3, 6, 4, rank, 2)) for rank in range(2)]
    assert [first + second for first, second in zip(*shares, strict=True)] == whole


def test_classes_are_sampled_evenly(labels: list[Path]) -> None:
    counts = np.bincount(list(islice(BalancedSampler(Frames(labels), seed=1), 9000)), minlength=3)
    # A third of the draws is for class 0, and a third of these is of each frame.
    assert np.allclose(counts / 9000, [1 / 9, 4 / 9, 4 / 9], atol=0.02)


def test_ranks_share_one_order(labels: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = list(islice(BalancedSampler(Frames(labels), seed=1), 20))
    assert whole != list(islice(BalancedSampler(Frames(labels), seed=2), 20))
    parts = []
    for rank in range(2):
        monkeypatch.setattr("oodbench.training.balance.get_dist_info", lambda rank=rank: (rank, 2))
        parts.append(list(islice(BalancedSampler(Frames(labels), seed=1), 10)))
    assert [draw for pair in zip(*parts, strict=True) for draw in pair] == whole


def test_invalid_labels_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone.png: not an 8-bit label image"):
        BalancedSampler(Frames([tmp_path / "gone.png"]), seed=0)
    colours = save(tmp_path / "colours.png", np.zeros((4, 6, 3), np.uint8))
    with pytest.raises(DataError, match=r"colours.png: not an 8-bit label image"):
        BalancedSampler(Frames([colours]), seed=0)
    void = save(tmp_path / "void.png", np.full((4, 6), 255, np.uint8))
    with pytest.raises(DataError, match="no label in 1 frames"):
        BalancedSampler(Frames([void]), seed=0)


def test_a_crop_contains_the_sampled_class() -> None:
    import_mmseg("the tests")
    from oodbench.training.architectures.crop import CropAround

    labels = np.zeros((40, 60), np.uint8)
    labels[30, 50] = 7
    crop = CropAround((16, 20), cat_max_ratio=0.75)
    np.random.seed(0)
    boxes = [crop.crop_bbox({"img": labels, "gt_seg_map": labels, "wanted_class": 7}) for _ in range(60)]
    assert all(top <= 30 < bottom and left <= 50 < right for top, bottom, left, right in boxes)
    assert all((bottom - top, right - left) == (16, 20) for top, bottom, left, right in boxes)
    assert all(bottom <= 40 and right <= 60 for _, bottom, _, right in boxes)
    assert len({box[::2] for box in boxes}) > 20, "the pixel is anywhere in the crop"
    anywhere = [crop.crop_bbox({"img": labels, "gt_seg_map": labels, "wanted_class": 3}) for _ in range(60)]
    assert any(bottom <= 30 for _, bottom, _, _ in anywhere), "the frame does not contain the class"
