"""Validation of one frame: image and labels are intact, have the same size, and every label value is declared."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oodbench.errors import DataError
from oodbench.types import Frame, Size


def check_frame(frame: Frame) -> tuple[Size, NDArray[np.uint8] | None]:
    """Check that the image and the labels of a frame are valid, and return the image size and the labels.

    If the frame has anomaly labels and semantic labels, the anomaly labels are checked. An image file is decoded, so
    that a truncated file is found before a long run starts.

    Args:
        frame: The frame.

    Returns:
        (height, width) of the image in pixels, and the label values, uint8 [H, W]. The latter is None if the frame has
        no labels.

    Raises:
        DataError: The image or the labels are damaged or have different sizes, or a label value has no known meaning.

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
