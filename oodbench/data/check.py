"""Is one frame in order: image and labels whole, of one size, every label value declared."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oodbench.errors import DataError
from oodbench.types import Frame, Size


def check_frame(frame: Frame) -> tuple[Size, NDArray[np.uint8] | None]:
    """The size of the image, and the frame's labels (anomaly labels before semantic ones), None where it has none.

    Raises:
        DataError: the frame is not in order.
    """
    size = frame.read_size()
    if frame.image_file is not None:
        frame.read_image()  # a truncated image is found here, not hours into scoring
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
            "One of the two was resized or belongs to another frame: unpack both again.",
        )
    return size, labels
