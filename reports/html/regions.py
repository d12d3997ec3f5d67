"""Single things in a frame: its anomalous objects, and how much of each is found; false alarms, and how large they are.

Both are 8-connected regions at full resolution, and pixels are called anomalous at the threshold that the page begins
with.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oodbench.regions import label_regions
from oodbench.types import ANOMALY, IN_DISTRIBUTION, AnomalyLabels

SMALLEST = 50
"""Regions of fewer pixels are left out."""

SHOWN = 6
"""The worst of each method that are shown."""


@dataclass(frozen=True)
class Region:
    """One of them.

    Attributes:
        frame: its place among the frames of the benchmark.
        box: left, top, width, height, in pixels of the label.
        pixels: how many.
        called: how many of them are called anomalous.
    """

    frame: int
    box: tuple[int, int, int, int]
    pixels: int
    called: int


@dataclass(frozen=True)
class FrameObjects:
    """The objects of one frame.

    Attributes:
        frame: as in `Region`.
        number: int32 [H, W], which object a pixel is of; 0 is of none.
        boxes: left, top, width, height and pixels of each, from number 0 on.
    """

    frame: int
    number: NDArray[np.int32]
    boxes: NDArray[np.int32]

    def found(self, called: NDArray[np.bool_]) -> list[Region]:
        """How much of each is called anomalous; bool [H, W]."""
        inside = np.bincount(self.number[called], minlength=len(self.boxes))
        return [
            Region(self.frame, (int(left), int(top), int(width), int(height)), int(pixels), int(inside[index]))
            for index, (left, top, width, height, pixels) in enumerate(self.boxes)
            if index and pixels >= SMALLEST
        ]


def find_objects(frame: int, labels: AnomalyLabels) -> FrameObjects:
    """The objects of a frame."""
    regions = label_regions(labels.values == ANOMALY)
    return FrameObjects(frame, regions.labels, regions.boxes)


def find_false_alarms(frame: int, called: NDArray[np.bool_], labels: AnomalyLabels) -> list[Region]:
    """The largest regions of in-distribution pixels that are called anomalous."""
    boxes = label_regions(called & (labels.values == IN_DISTRIBUTION)).boxes
    largest = heapq.nlargest(SHOWN, boxes[1:].tolist(), key=lambda box: box[-1])
    return [
        Region(frame, (left, top, width, height), pixels, pixels)
        for left, top, width, height, pixels in largest
        if pixels >= SMALLEST
    ]


def select_worst_objects(regions: Iterable[Region]) -> list[Region]:
    """Those of which least is found; of two alike the larger."""
    return heapq.nsmallest(SHOWN, regions, key=lambda region: (region.called / region.pixels, -region.pixels))


def select_worst_alarms(regions: Iterable[Region]) -> list[Region]:
    """The largest."""
    return heapq.nlargest(SHOWN, regions, key=lambda region: region.pixels)
