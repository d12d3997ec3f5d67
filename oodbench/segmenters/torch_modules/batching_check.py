"""Checks of images before they are passed to a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oodbench.errors import ModelError


def check_image(image: Any, where: str) -> None:
    """Raise if an image is not what segmenters accept. The image is not converted.

    Args:
        image: The image, expected as uint8 [H, W, 3], red first.
        where: The network's name or file, for the error.

    Raises:
        ModelError: The image is not a NumPy array, or has another shape or dtype.
    """
    expected = "expected a NumPy array uint8 [H, W, 3] with values 0..255, red first"
    if not isinstance(image, np.ndarray):
        raise ModelError(f"{where}: the image is a {type(image).__name__}; {expected}", "Use numpy.asarray(image).")
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ModelError(
            f"{where}: the image has the shape {list(image.shape)}; {expected}",
            "Repeat a grey image three times, remove a transparency channel, or move the channels to the last axis.",
        )
    if image.dtype != np.uint8:
        raise ModelError(
            f"{where}: the image is {image.dtype}, from {image.min():.4g} to {image.max():.4g}; {expected}",
            "Give the image as read from its file. The network's own preprocessing divides and normalises it.",
        )


def stack_images(images: Sequence[NDArray[Any]], where: str) -> NDArray[Any]:
    """Return the prepared images of a batch as one array [N, ...].

    Args:
        images: N prepared images, expected to have one shape.
        where: The network's name or file, for the error.

    Raises:
        ModelError: The images have several shapes.
    """
    shapes = list(dict.fromkeys(image.shape for image in images))
    if len(shapes) > 1:
        shown = " and ".join(str(list(shape)) for shape in shapes[:2])
        raise ModelError(
            f"{where}: images of {len(shapes)} sizes in one batch, for example {shown}",
            "Set a fixed input size (input.size in a model card, size= in Python), or use batches of one image.",
        )
    return np.stack(images)
