"""Batches of frames: order, and labels on request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest

from oodbench.contracts import Capabilities, Expected, Needs, Segmenter
from oodbench.errors import DataError
from oodbench.stages.batching import forward_batches, split_batches
from oodbench.types import CITYSCAPES_19, ClassMaps, Frame, RGBImage, SegmenterOutput, SemanticLabels


class Means(Segmenter):
    """A segmenter whose only map is the mean of the image."""

    name, digest, device = "means", "", "cpu"
    classes, capabilities, expected = CITYSCAPES_19, Capabilities("logits"), Expected()

    def prepare(self, image: RGBImage) -> float:
        return float(image.mean())

    def forward(self, batch: Sequence[float], needs: Needs) -> SegmenterOutput:
        import torch

        return SegmenterOutput(ClassMaps(torch.tensor(batch).reshape(-1, 1, 1, 1)))

    def describe(self) -> Mapping[str, Any]:
        return {}


def frames(count: int, read_labels: Any) -> list[Frame]:
    return [
        Frame(
            f"{value}",
            "",
            read_size=lambda: (2, 3),
            read_image=partial(np.full, (2, 3, 3), value, np.uint8),
            read_semantic_labels=partial(read_labels, value),
        )
        for value in range(count)
    ]


def label(value: int) -> SemanticLabels:
    return SemanticLabels(np.full((2, 3), value, np.uint8), CITYSCAPES_19)


def test_batches_are_in_order_with_the_labels_of_their_frames() -> None:
    found = list(forward_batches(Means(), frames(11, label), split_batches(11, 2), Needs(), labelled=True))
    assert [batch.positions for batch in found] == [range(start, min(start + 2, 11)) for start in range(0, 11, 2)]
    for batch in found:
        assert batch.output.class_maps is not None
        assert batch.output.class_maps.values.flatten().tolist() == list(batch.positions)
        assert [int(labels.values[0, 0]) for labels in batch.labels] == list(batch.positions)


def test_labels_are_read_only_on_request() -> None:
    found = list(forward_batches(Means(), frames(5, pytest.fail), split_batches(5, 2), Needs()))
    assert [batch.labels for batch in found] == [[], [], []]


def test_an_unreadable_label_raises_in_its_batch() -> None:
    def broken(value: int) -> SemanticLabels:
        if value == 3:
            raise DataError("3: broken")
        return label(value)

    feed = forward_batches(Means(), frames(9, broken), split_batches(9, 1), Needs(), labelled=True)
    assert [next(feed).positions.start for _ in range(3)] == [0, 1, 2]
    with pytest.raises(DataError, match="3: broken"):
        next(feed)
