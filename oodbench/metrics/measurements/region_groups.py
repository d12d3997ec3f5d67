"""Groups of the objects of a frame, by size and by place.

Objects are connected regions of anomalous pixels with eight neighbours per pixel. The size is the region's share of the
frame's area. The place is the height of its lowest pixel: on a level road, a lower region is nearer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oodbench.regions import Regions

SIZES = {"below 0.1 %": 0.001, "0.1 to 1 %": 0.01, "1 to 10 %": 0.1, "10 % and more": np.inf}
"""Maps the name of each size to its upper limit, as a share of the frame's area."""

PLACES = {"upper half": 0.5, "third quarter": 0.75, "lowest quarter": np.inf}
"""Maps the name of each place to its limit for the lowest pixel, as a share of the frame's height from the top."""

GROUPS = len(SIZES) + len(PLACES)
"""Number of groups: the sizes, followed by the places."""


def group_regions(regions: Regions) -> NDArray[np.uint8]:
    """Return the groups of each region, uint8 [R + 1, 2]: its size and its place, as indices of the groups.

    Args:
        regions: The regions of a frame. Region 0, which contains the other pixels, gets groups that mean nothing.
    """
    height, width = regions.labels.shape
    area = regions.pixels / (height * width)
    lowest = (regions.boxes[:, 1] + regions.boxes[:, 3]) / height
    size = np.searchsorted(list(SIZES.values()), area, side="right")
    place = np.searchsorted(list(PLACES.values()), lowest, side="left") + len(SIZES)
    return np.stack([size, place], axis=1).astype(np.uint8)


def count_objects(groups: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the number of objects in each group, int64 [GROUPS], from the output of `group_regions`."""
    return np.bincount(groups[1:].ravel(), minlength=GROUPS)
