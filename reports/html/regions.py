"""Regions of a frame: anomalous objects with their recall, and false alarms with their size.

Both are 8-connected regions at full resolution. Pixels are called anomalous at the initial threshold of the page.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oodbench.regions import find_objects, label_regions
from oodbench.types import IN_DISTRIBUTION, AnomalyLabels

SMALLEST = 50
"""Minimum size of a region in pixels. Smaller regions are left out."""

SHOWN = 6
"""Number of worst regions that are shown per method."""


@dataclass(frozen=True)
class Region:
    """An object or a false alarm.

    Attributes:
        frame: Index of its frame in the benchmark.
        box: Left, top, width and height, in pixels of the label.
        pixels: Number of pixels.
        called: Number of pixels that are called anomalous.
    """

    frame: int
    box: tuple[int, int, int, int]
    pixels: int
    called: int


@dataclass(frozen=True)
class FrameObjects:
    """The objects of one frame.

    Attributes:
        frame: Index of the frame in the benchmark.
        number: int32 [H, W], number of the object of each pixel; 0: none.
        boxes: int32 [objects + 1, 5], left, top, width, height and pixels by number.
    """

    frame: int
    number: NDArray[np.int32]
    boxes: NDArray[np.int32]

    def found(self, called: NDArray[np.bool_]) -> list[Region]:
        """Return the objects with their number of pixels in `called`, bool [H, W]."""
        inside = np.bincount(self.number[called], minlength=len(self.boxes))
        return [
            Region(self.frame, (int(left), int(top), int(width), int(height)), int(pixels), int(inside[index]))
            for index, (left, top, width, height, pixels) in enumerate(self.boxes)
            if index and pixels >= SMALLEST
        ]


def make_frame_objects(frame: int, labels: AnomalyLabels) -> FrameObjects:
    """Return the objects of a frame."""
    regions = find_objects(labels)
    return FrameObjects(frame, regions.labels, regions.boxes)


def find_false_alarms(frame: int, called: NDArray[np.bool_], labels: AnomalyLabels) -> list[Region]:
    """Find the largest regions of in-distribution pixels that are called anomalous."""
    boxes = label_regions(called & (labels.values == IN_DISTRIBUTION)).boxes
    largest = heapq.nlargest(SHOWN, boxes[1:].tolist(), key=lambda box: box[-1])
    return [
        Region(frame, (left, top, width, height), pixels, pixels)
        for left, top, width, height, pixels in largest
        if pixels >= SMALLEST
    ]


def select_worst_objects(regions: Iterable[Region]) -> list[Region]:
    """Select the objects with the lowest recall, larger ones first if the recall is equal."""
    return heapq.nsmallest(SHOWN, regions, key=lambda region: (region.called / region.pixels, -region.pixels))


def select_worst_alarms(regions: Iterable[Region]) -> list[Region]:
    """Select the largest false alarms."""
    return heapq.nlargest(SHOWN, regions, key=lambda region: region.pixels)
