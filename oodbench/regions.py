"""Connected regions of a mask. This is the only module of the package that computes connected components.

Two pixels that touch at a corner are connected (eight neighbours per pixel).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from oodbench.types import ANOMALY, AnomalyLabels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Regions:
    """The regions of a mask with their boxes. Region 0 is the area outside the mask.

    Attributes:
        labels: int32 [H, W], the number of the region that a pixel belongs to.
        boxes: int32 [R + 1, 5], left, top, width, height and pixel count of each region, in pixels.
    """

    labels: NDArray[np.int32]
    boxes: NDArray[np.int32]

    @property
    def pixels(self) -> NDArray[np.int32]:
        """The pixel count of each region, int32 [R + 1]."""
        return self.boxes[:, 4]


def number_regions(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Assign numbers to the regions of a mask, from 1, in the order of their first pixels, row by row.

    This is several times faster than `label_regions`, which also measures the regions.

    Args:
        mask: bool [H, W].

    Returns:
        int32 [H, W], the number of each pixel's region; 0 outside the mask.
    """
    import cv2
    import numpy as np

    # This algorithm of OpenCV numbers regions by their first pixels; the default scans blocks of two by two pixels.
    algorithm = (8, cv2.CV_32S, cv2.CCL_SAUF)
    _, labels = cv2.connectedComponentsWithAlgorithm(np.ascontiguousarray(mask).view(np.uint8), *algorithm)
    return labels.astype(np.int32, copy=False)


def label_regions(mask: NDArray[np.bool_]) -> Regions:
    """Find the regions of a mask and measure their boxes.

    The regions are numbered as by OpenCV's default algorithm: by the first block of two by two pixels. Synthetic
    benchmarks render objects in this order, so it must not change.

    Args:
        mask: bool [H, W].
    """
    import cv2
    import numpy as np

    pixels = np.ascontiguousarray(mask).view(np.uint8)
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(pixels, connectivity=8)
    return Regions(labels.astype(np.int32, copy=False), boxes.astype(np.int32, copy=False))


def find_objects(labels: AnomalyLabels) -> Regions:
    """Find the objects of a frame: the connected regions of its anomalous pixels.

    Args:
        labels: The labels of the frame.

    Examples:
        >>> import numpy as np
        >>> from oodbench.types import ANOMALY, AnomalyLabels
        >>> values = np.zeros((4, 6), np.uint8)
        >>> values[1:3, 1] = values[0, 4] = ANOMALY
        >>> find_objects(AnomalyLabels(values)).pixels.tolist()  # region 0 is the rest of the frame
        [21, 2, 1]
    """
    return label_regions(labels.values == ANOMALY)


def number_objects(labels: AnomalyLabels) -> NDArray[np.int32]:
    """Assign numbers to the objects of a frame, as `number_regions` does to the regions of a mask: int32 [H, W]."""
    return number_regions(labels.values == ANOMALY)
