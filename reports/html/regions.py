"""Regions of a frame: anomalous objects with the share that is found, and false alarms with their size.

Both are 8-connected regions at full resolution. Pixels are called anomalous at the page's initial threshold.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from oodbench.types import ANOMALY, IN_DISTRIBUTION, AnomalyLabels

SMALLEST = 50
"""Minimum number of pixels of a region."""

SHOWN = 6
"""Number of worst regions shown per method."""


@dataclass(frozen=True)
class Region:
    """One region.

    Attributes:
        frame: Index of the frame in the benchmark.
        box: Left, top, width and height in pixels of the label.
        pixels: Number of pixels.
        called: Number of pixels called anomalous.
    """

    frame: int
    box: tuple[int, int, int, int]
    pixels: int
    called: int


@dataclass(frozen=True)
class FrameObjects:
    """The anomalous objects of one frame.

    Attributes:
        frame: Index of the frame in the benchmark.
        number: int32 [H, W], number of the object at each pixel; 0 for none.
        boxes: Left, top, width, height and pixels of each object, starting with number 0.
    """

    frame: int
    number: NDArray[np.int32]
    boxes: NDArray[np.int32]

    def found(self, called: NDArray[np.bool_]) -> list[Region]:
        """Return the regions of the objects with the pixels called anomalous, from bool [H, W]."""
        inside = np.bincount(self.number[called], minlength=len(self.boxes))
        return [
            Region(self.frame, (int(left), int(top), int(width), int(height)), int(pixels), int(inside[index]))
            for index, (left, top, width, height, pixels) in enumerate(self.boxes)
            if index and pixels >= SMALLEST
        ]


def find_objects(frame: int, labels: AnomalyLabels) -> FrameObjects:
    """Find the anomalous objects of a frame."""
    _, number, boxes, _ = cv2.connectedComponentsWithStats((labels.values == ANOMALY).astype(np.uint8), connectivity=8)
    return FrameObjects(frame, number, boxes)


def find_false_alarms(frame: int, called: NDArray[np.bool_], labels: AnomalyLabels) -> list[Region]:
    """Find the largest regions of in-distribution pixels that are called anomalous."""
    wrong = (called & (labels.values == IN_DISTRIBUTION)).astype(np.uint8)
    _, _, boxes, _ = cv2.connectedComponentsWithStats(wrong, connectivity=8)
    largest = heapq.nlargest(SHOWN, boxes[1:].tolist(), key=lambda box: box[-1])
    return [
        Region(frame, (left, top, width, height), pixels, pixels)
        for left, top, width, height, pixels in largest
        if pixels >= SMALLEST
    ]


def select_worst_objects(regions: Iterable[Region]) -> list[Region]:
    """Select the objects of which the smallest share is found; larger objects first if shares are equal."""
    return heapq.nsmallest(SHOWN, regions, key=lambda region: (region.called / region.pixels, -region.pixels))


def select_worst_alarms(regions: Iterable[Region]) -> list[Region]:
    """Select the largest false alarms."""
    return heapq.nlargest(SHOWN, regions, key=lambda region: region.pixels)
