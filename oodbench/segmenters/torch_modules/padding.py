"""Padding of images to the sizes that a network accepts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from oodbench.types import Size

if TYPE_CHECKING:
    from numpy.typing import NDArray


def pad_images(images: NDArray[Any], multiple: int, least: Size = (1, 1)) -> NDArray[Any]:
    """Pad images at the bottom and at the right, by repeating their last row and column.

    Repeated pixels look like the image, so they change the maps near the border less than a constant would.

    Args:
        images: Images [N, channels, h, w] of any type.
        multiple: Number of which both sides of the padded images are a multiple.
        least: Smallest size (height, width) of the padded images before they are padded to the multiple.

    Returns:
        Padded images [N, channels, H, W] of the same type; the same array if no padding is necessary.
    """
    height, width = images.shape[-2:]
    rows = -(-max(height, least[0]) // multiple) * multiple - height
    columns = -(-max(width, least[1]) // multiple) * multiple - width
    if not rows and not columns:
        return images
    return np.pad(images, ((0, 0), (0, 0), (0, rows), (0, columns)), mode="edge")
