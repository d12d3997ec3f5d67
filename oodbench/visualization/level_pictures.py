"""Small pictures of score maps, for reports of runs that do not keep their maps.

The scores are quantised to levels by the calibration. Levels 1 to 200 are even steps of the colour scale: how rare a
score is among in-distribution pixels. The others are even steps of the score, from the rarest one up to a score as far
above it as it is above the median. Pictures are only shown and never counted: they are reduced, and WebP changes
levels by two or three on average.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oodbench.contracts import Calibration
from oodbench.types import ScoreMap
from oodbench.visualization.colormap import RAREST, resize_to_width

LARGEST_PICTURE = 20_000
"""The largest size of an encoded picture in bytes."""

WIDTH = 384
"""The largest width of a picture in pixels."""

_LEVELS, _COLOURED = 256, 200
_QUALITIES = (80, 60, 40, 20)


def encode_level_picture(score: ScoreMap, calibration: Calibration) -> bytes:
    """Encode a score map as a reduced picture of at most `LARGEST_PICTURE` bytes, in WebP.

    Args:
        score: float32 [H, W], higher = more anomalous.
        calibration: Quantiles of the method's scores on in-distribution pixels.
    """
    scores = _level_scores(calibration)
    width = min(WIDTH, score.shape[1])
    while True:
        reduced = resize_to_width(score, width)
        if not np.isfinite(reduced).all():  # infinite scores and NaN have no mean
            reduced = resize_to_width(np.nan_to_num(score, nan=scores[0]).clip(scores[0], scores[-1]), width)
        levels = np.searchsorted(scores[1:], reduced, side="right").astype(np.uint8)
        for quality in _QUALITIES:
            file = io.BytesIO()
            Image.fromarray(levels).save(file, "webp", quality=quality, method=0)
            if file.tell() <= LARGEST_PICTURE:
                return file.getvalue()
        width //= 2  # noise is hard to compress


def decode_level_picture(data: bytes, calibration: Calibration) -> ScoreMap:
    """Return the reduced score map that a picture shows, float32 [h, w].

    Args:
        data: The output of `encode_level_picture`.
        calibration: The calibration with which the picture was encoded.

    Raises:
        OSError: The data is damaged.
    """
    with Image.open(io.BytesIO(data)) as picture:
        levels = np.asarray(picture.convert("L"))
    shown: ScoreMap = _level_scores(calibration)[levels]
    return shown


def _level_scores(calibration: Calibration) -> NDArray[np.float32]:
    """Return the lowest score of each level, float32 [256], ascending."""
    shares = 1 - 10.0 ** -np.linspace(0, RAREST, _COLOURED)
    rarities = [calibration.score_at(share) for share in shares]
    beyond = np.linspace(rarities[-1], 2 * rarities[-1] - calibration.score_at(0.5), _LEVELS - _COLOURED + 1)[1:]
    return np.concatenate([rarities, beyond]).astype(np.float32)
