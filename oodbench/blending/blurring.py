"""Gaussian blurs with precise types, which OpenCV's functions lack."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def apply_blur(image: NDArray[np.float32], across: float, down: float | None = None) -> NDArray[np.float32]:
    """Blur a float32 image by a standard deviation in pixels; `down` is that of rows if it differs from `across`."""
    blurred = cv2.GaussianBlur(image, (0, 0), sigmaX=across, sigmaY=across if down is None else down)
    return np.asarray(blurred, np.float32)


def apply_weighted_blur(color: NDArray[np.float32], weight: NDArray[np.float32], across: float) -> NDArray[np.float32]:
    """Blur an image, float32 [h, w, 3], with a weight per pixel, float32 [h, w]."""
    total = apply_blur(weight, across)[:, :, None]
    return np.asarray(apply_blur(color * weight[:, :, None], across) / np.maximum(total, 1e-4), np.float32)
