"""Gaussian blurs, with the type that OpenCV's own lacks."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def softened(image: NDArray[np.float32], across: float, down: float | None = None) -> NDArray[np.float32]:
    """float32 as it came, blurred by so many pixels of standard deviation; `down` where columns differ from rows."""
    blurred = cv2.GaussianBlur(image, (0, 0), sigmaX=across, sigmaY=across if down is None else down)
    return np.asarray(blurred, np.float32)


def spread(color: NDArray[np.float32], weight: NDArray[np.float32], across: float) -> NDArray[np.float32]:
    """A blur of a picture, float32 [h, w, 3], that takes only what has weight, float32 [h, w]."""
    total = softened(weight, across)[:, :, None]
    return np.asarray(softened(color * weight[:, :, None], across) / np.maximum(total, 1e-4), np.float32)
