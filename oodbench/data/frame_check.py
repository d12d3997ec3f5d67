"""Validation of one frame: image and labels are intact, have the same size, and every label value is declared."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oodbench.errors import DataError
from oodbench.types import Frame, Size


def check_frame(frame: Frame) -> tuple[Size, NDArray[np.uint8] | None]:
    """Validate a frame and return its image size and labels.

    Anomaly labels take precedence over semantic ones. An image on disk is decoded, so that a truncated file is found
    before a long run starts.

    Args:
        frame: The frame.

    Returns:
        (height, width) of the image in pixels, and the label values, uint8 [H, W]; None if the frame has no labels.

    Raises:
        DataError: The image or the labels are damaged, have different sizes, or contain an undeclared value.

    Examples:
        >>> import oodbench
        >>> from oodbench.data import check_frame
        >>> size, labels = check_frame(oodbench.load_benchmark("streets-anomaly")[0])
        >>> size, labels.shape
        ((512, 1024), (512, 1024))
    """
    size = frame.read_size()
    if frame.image_file is not None:
        frame.read_image()  # finds a truncated image now, instead of hours into scoring
    if frame.read_anomaly_labels is not None:
        labels = frame.read_anomaly_labels().values
    elif frame.read_semantic_labels is not None:
        labels = frame.read_semantic_labels().values
    else:
        return size, None
    if labels.shape != size:
        raise DataError(
            f"{frame.label_file or frame.id}: the labels are {labels.shape[1]} x {labels.shape[0]} and the image "
            f"{frame.image_file or ''} is {size[1]} x {size[0]}; expected one size",
            "Unpack both again. One of them was resized or belongs to another frame.",
        )
    return size, labels
