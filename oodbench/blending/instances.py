"""Things in semantic labels: connected pixels of one class, and how tall things of that class are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oodbench.regions import label_regions
from oodbench.types import SemanticLabels

ROADS = ("road", "road line")
BESIDE = ("sidewalk", "terrain", "earth", "grass", "path", "field", "gravel", "pavement")
ORDINARY: Mapping[str, float] = {
    "person": 1.7, "pedestrian": 1.7, "rider": 1.75, "car": 1.5, "van": 2.0, "truck": 3.0, "bus": 3.1,
    "motorcycle": 1.2, "minibike": 1.2, "bicycle": 1.1,
}  # fmt: skip
"""What can be cut out of a street, by its name in any of the class sets, and how tall it is in metres."""
THIN = ("pole", "traffic light", "traffic sign", "streetlight", "signboard")
"""What often stands in front of something else."""


@dataclass(frozen=True)
class Thing:
    """Connected pixels of one class.

    Attributes:
        name: of the class.
        left, top, right, bottom: of its box in pixels; right and bottom are one beyond.
        inside: bool [bottom - top, right - left].
    """

    name: str
    left: int
    top: int
    right: int
    bottom: int
    inside: NDArray[np.bool_]

    @property
    def box(self) -> tuple[slice, slice]:
        """Rows and columns."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def height(self) -> int:
        """In pixels."""
        return self.bottom - self.top


def mask(labels: SemanticLabels, names: Iterable[str]) -> NDArray[np.bool_]:
    """bool [H, W], the pixels of the classes with these names; names that the class set lacks are passed over."""
    known = labels.classes.names
    return np.isin(labels.values, [known.index(name) for name in names if name in known])


def things(labels: SemanticLabels, names: Iterable[str]) -> Iterator[Thing]:
    """The connected parts of each of the classes, 8-connected."""
    for name in names:
        pixels = mask(labels, (name,))
        if not pixels.any():
            continue
        regions = label_regions(pixels)
        for number in range(1, len(regions.boxes)):
            left, top, width, height = (int(value) for value in regions.boxes[number][:4])
            box = np.s_[top : top + height, left : left + width]
            yield Thing(name, left, top, left + width, top + height, regions.labels[box] == number)
