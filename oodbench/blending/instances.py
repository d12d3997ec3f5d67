"""Objects in semantic labels: connected pixels of one class, and typical object heights per class."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oodbench.regions import label_regions
from oodbench.types import SemanticLabels

ROAD_CLASSES = ("road", "road line")
ROADSIDE_CLASSES = ("sidewalk", "terrain", "earth", "grass", "path", "field", "gravel", "pavement")
KNOWN_HEIGHTS: Mapping[str, float] = {
    "person": 1.7, "pedestrian": 1.7, "rider": 1.75, "car": 1.5, "van": 2.0, "truck": 3.0, "bus": 3.1,
    "motorcycle": 1.2, "minibike": 1.2, "bicycle": 1.1,
}  # fmt: skip
"""Classes of which objects can be cut out, by their name in any of the class sets, with their height in metres."""
THIN_CLASSES = ("pole", "traffic light", "traffic sign", "streetlight", "signboard")
"""Classes that often occlude other objects."""


@dataclass(frozen=True)
class Instance:
    """Connected pixels of one class.

    Attributes:
        name: Name of the class.
        left, top, right, bottom: Box in pixels; right and bottom are exclusive.
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
        """Return the slices of rows and columns."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def height(self) -> int:
        """Return the height in pixels."""
        return self.bottom - self.top


def make_class_mask(labels: SemanticLabels, names: Iterable[str]) -> NDArray[np.bool_]:
    """Return the pixels of the named classes, bool [H, W]; names that the class set lacks are ignored."""
    known = labels.classes.names
    return np.isin(labels.values, [known.index(name) for name in names if name in known])


def find_instances(labels: SemanticLabels, names: Iterable[str]) -> Iterator[Instance]:
    """Yield the 8-connected regions of each named class."""
    for name in names:
        pixels = make_class_mask(labels, (name,))
        if not pixels.any():
            continue
        regions = label_regions(pixels)
        for number in range(1, len(regions.boxes)):
            left, top, width, height = (int(value) for value in regions.boxes[number][:4])
            box = np.s_[top : top + height, left : left + width]
            yield Instance(name, left, top, left + width, top + height, regions.labels[box] == number)
