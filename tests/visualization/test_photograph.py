"""The picture of a photograph: its panels, the contour of scores above the threshold, and the scale."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from matplotlib.contour import QuadContourSet
from matplotlib.figure import Figure
from PIL import Image

from oodbench.contracts import Calibration
from oodbench.visualization.photograph import DPI, PhotographThreshold, draw_photograph
from tests.helpers.files import photograph

LEVELS = np.array([0.0, 0.5, 0.9, 0.95, 0.99, 1.0])
CALIBRATION = Calibration(LEVELS, np.arange(6, dtype=np.float32), "Cityscapes val, 1 frame")


def draw(size: tuple[int, int], score: np.ndarray | None = None, calibrated: bool = True) -> Figure:
    if score is None:
        score = np.tile(np.linspace(-1, 7, size[1], dtype=np.float32), (size[0], 1))
    threshold = PhotographThreshold(CALIBRATION.score_at(0.95), 0.05) if calibrated else None
    return draw_photograph(
        photograph(0, size), score, CALIBRATION if calibrated else None, threshold, "kNN (k=5)", "tiny"
    )


def contours(figure: Figure) -> list[QuadContourSet]:
    return [part for axes in figure.axes for part in axes.collections if isinstance(part, QuadContourSet)]


def test_the_threshold_is_a_quantile() -> None:
    assert CALIBRATION.score_at(0.95) == pytest.approx(3.0)
    assert CALIBRATION.score_at(0.9) == pytest.approx(2.0)
    assert CALIBRATION.score_at(0.925) == pytest.approx(2.5)


def test_the_contour_surrounds_scores_above_the_threshold() -> None:
    # 81 columns from -1 to 7 in steps of 0.1. Columns 41 and higher, counted from 0, exceed 3.
    figure = draw((40, 81))
    assert [axes.get_title() for axes in figure.axes[:2]] == ["Image", "kNN (k=5)"]
    for line in contours(figure):
        (path,) = line.get_paths()
        assert path.vertices[:, 0] == pytest.approx(40.5)
    assert len(contours(figure)) == 2
    words = [text.get_text() for text in figure.texts]
    assert words[0] == "tiny\nline: above 3, as 5 % of in-distribution pixels are;\n49.4 % of this image"
    (mark,) = figure.axes[2].lines
    assert list(mark.get_xdata()) == [pytest.approx(-math.log10(0.05))] * 2


def test_a_score_at_the_threshold_is_not_above() -> None:
    above = PhotographThreshold(3.0, 0.05).above(
        np.array([[2.9, 3.0, np.nextafter(np.float32(3), np.float32(4))]], np.float32)
    )
    assert above.tolist() == [[False, False, True]]


@pytest.mark.parametrize("value", [0.0, 9.0])
def test_no_contour_if_all_or_no_pixels_exceed_the_threshold(value: float) -> None:
    assert contours(draw((20, 30), np.full((20, 30), value, np.float32))) == []


def test_without_calibration_there_is_no_contour_and_the_scale_is_labelled() -> None:
    figure = draw((20, 30), calibrated=False)
    assert contours(figure) == []
    assert len(figure.axes[2].lines) == 0
    assert any("no in-distribution frames were given" in text.get_text() for text in figure.texts)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (40, 80), (720, 1280)])
def test_pictures_of_any_aspect_ratio_are_written(size: tuple[int, int]) -> None:
    file = io.BytesIO()
    draw(size).savefig(file, format="png", dpi=DPI // 4)
    pixels = np.asarray(Image.open(file).convert("RGB"))
    assert pixels.shape[1] == 537
    assert pixels.shape[0] < 1300
