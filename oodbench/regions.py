"""Connected regions of a mask: the one place of the package where connected components are computed.

Two pixels that touch at a corner are connected (eight neighbours per pixel).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Regions:
    """The regions of a mask with their boxes. Region 0 is what is not in the mask.

    Attributes:
        labels: int32 [H, W], the number of the region that a pixel belongs to.
        boxes: int32 [R + 1, 5], left, top, width, height and pixel count of each region, in pixels.
    """

    labels: NDArray[np.int32]
    boxes: NDArray[np.int32]

    @property
    def pixels(self) -> NDArray[np.int32]:
        """int32 [R + 1], the pixel count of each region."""
        return self.boxes[:, 4]


def number_regions(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return int32 [H, W]: the regions of a mask, numbered from 1 by their first pixel, row by row; 0 elsewhere.

    It is several times faster than `label_regions`, which measures the regions too.

    Args:
        mask: bool [H, W].
    """
    import cv2
    import numpy as np

    # Of OpenCV's algorithms this one numbers by first pixels; the default one scans blocks of two by two pixels.
    algorithm = (8, cv2.CV_32S, cv2.CCL_SAUF)
    _, labels = cv2.connectedComponentsWithAlgorithm(np.ascontiguousarray(mask).view(np.uint8), *algorithm)
    return labels.astype(np.int32, copy=False)


def label_regions(mask: NDArray[np.bool_]) -> Regions:
    """Number the regions of a mask and measure their boxes.

    The order of the numbers is that of OpenCV's default algorithm, by the first block of two by two pixels. Synthetic
    benchmarks draw objects in this order, so it must stay.

    Args:
        mask: bool [H, W].
    """
    import cv2
    import numpy as np

    pixels = np.ascontiguousarray(mask).view(np.uint8)
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(pixels, connectivity=8)
    return Regions(labels.astype(np.int32, copy=False), boxes.astype(np.int32, copy=False))
