"""Encoding of photographs, labels and levels as small data URIs."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oodbench.types import ANOMALY, VOID, AnomalyLabels, RGBImage
from oodbench.visualization.colormap import resize_to_width

PHOTOGRAPH, MAP, THUMBNAIL, CROP = 640, 512, 192, 256
"""Maximum widths in pixels."""


def encode_photograph(image: RGBImage, width: int = PHOTOGRAPH) -> str:
    """Encode a reduced photograph, uint8 [H, W, 3]."""
    return _encode_uri(_reduce(image, width), "webp", quality=76, method=2)


def encode_levels(found: NDArray[np.uint8], width: int = MAP) -> str:
    """Encode reduced levels, uint8 [H, W], as shades of grey. Each pixel is the mean of the pixels it covers.

    The encoding is lossy: levels are off by two or three of 255 on average. They are only shown and never counted.
    """
    return _encode_uri(_reduce(found, width), "webp", quality=80, method=2)


def encode_label(labels: AnomalyLabels, width: int = MAP) -> str:
    """Encode reduced labels by majority: 0 in-distribution, 128 anomaly, 255 void."""
    anomalous, void = (_reduce((labels.values == kind).astype(np.float32), width) >= 0.5 for kind in (ANOMALY, VOID))
    return _encode_uri(np.where(void, 255, np.where(anomalous, 128, 0)).astype(np.uint8), "png", compress_level=9)


def encode_integers(values: NDArray[Any], kind: type[np.unsignedinteger]) -> str:
    """Encode unsigned integers, little-endian, in base64."""
    return base64.b64encode(np.ascontiguousarray(values, np.dtype(kind).newbyteorder("<")).tobytes()).decode()


def _reduce(picture: NDArray[Any], width: int) -> NDArray[Any]:
    return resize_to_width(picture, min(width, picture.shape[1]))


def _encode_uri(picture: NDArray[np.uint8], kind: str, **options: Any) -> str:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"
