"""Small pictures of score maps: their size, and what remains of the scores."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from oodbench.contracts import Calibration
from oodbench.visualization.level_pictures import LARGEST_PICTURE, decode_level_picture, encode_level_picture

LEVELS = np.concatenate([np.linspace(0, 1, 101)[:-1], [0.999, 0.9999, 1]])
CALIBRATION = Calibration(LEVELS, np.linspace(0, 8, LEVELS.size, dtype=np.float32), "3 frames")


def smooth(rng: np.random.Generator) -> np.ndarray:
    score = cv2.resize(rng.random((16, 32), np.float32), (1024, 512), interpolation=cv2.INTER_LINEAR)
    score[200:300, 400:600] += 12  # far above all in-distribution scores
    return 8 * score


def test_the_picture_keeps_the_order_of_scores() -> None:
    score = smooth(np.random.default_rng(0))
    data = encode_level_picture(score, CALIBRATION)
    assert len(data) <= LARGEST_PICTURE
    shown = decode_level_picture(data, CALIBRATION)
    assert shown.shape == (192, 384)
    assert shown.dtype == np.float32
    reduced = cv2.resize(score, (384, 192), interpolation=cv2.INTER_AREA)
    difference = np.abs(CALIBRATION.rarity(shown) - CALIBRATION.rarity(reduced))
    assert difference.mean() < 0.05
    assert shown[80:108, 156:218].min() > 8  # the object is above the highest quantile
    assert shown[:68].max() < 9


@pytest.mark.parametrize("kind", ["noise", "constant", "infinite", "one pixel", "tall"])
def test_any_map_fits(kind: str) -> None:
    rng = np.random.default_rng(1)
    score = {
        "noise": 8 * rng.random((1024, 2048), np.float32),
        "constant": np.full((40, 80), 3, np.float32),
        "infinite": rng.choice(np.array([-np.inf, 0, np.inf, np.nan], np.float32), (40, 80)),
        "one pixel": np.zeros((1, 1), np.float32),
        "tall": rng.random((2000, 3), np.float32),
    }[kind]
    data = encode_level_picture(score, CALIBRATION)
    assert len(data) <= LARGEST_PICTURE
    shown = decode_level_picture(data, CALIBRATION)
    assert np.isfinite(shown).all()
    assert shown.shape[1] <= score.shape[1]


def test_a_calibration_on_equal_scores_is_valid() -> None:
    calibration = Calibration(LEVELS, np.full(LEVELS.size, 2, np.float32), "a frame")
    data = encode_level_picture(np.full((4, 8), 2, np.float32), calibration)
    assert (decode_level_picture(data, calibration) == 2).all()
