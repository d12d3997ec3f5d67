"""Thumbnails of the worst regions, of photograph and levels, cut out at full resolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oodbench.contracts import RunView
from oodbench.reports.html import pictures
from oodbench.reports.html.regions import Region
from oodbench.reports.html.scorers import PageScorer
from oodbench.types import VOID, AnomalyLabels

# Margin around a region as a share of its size, and minimum width and height in pixels.
_AROUND = 0.6
_LEAST = (192, 144)


def cut_thumbnails(run: RunView, benchmark: str, scorer: PageScorer, regions: Sequence[Region]) -> list[dict[str, Any]]:
    """Return the page's data of each region: two thumbnails, the region's box in them, and its counts."""
    frames, thumbnails = run.frames(benchmark), []
    for region in regions:
        frame = frames[region.frame]
        image, score = run.image(benchmark, frame), run.score(scorer.row, frame)
        window = _choose_window(region.box, score.shape)
        photograph = _crop(image, window, score.shape)
        left, top, width, height = window
        part = np.ascontiguousarray(score[top : top + height, left : left + width])
        level, _ = scorer.levels.of(part, AnomalyLabels(np.full(part.shape, VOID, np.uint8)))
        box = region.box
        thumbnails.append({
            "frame": region.frame,
            "pixels": region.pixels,
            "called": region.called,
            "photograph": pictures.encode_photograph(photograph, pictures.CROP),
            "map": pictures.encode_levels(level, pictures.CROP),
            "box": [round(100 * value, 2) for value in (
                (box[0] - left) / width, (box[1] - top) / height, box[2] / width, box[3] / height)],
        })  # fmt: skip
    return thumbnails


def _choose_window(box: tuple[int, int, int, int], shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Return left, top, width and height of the window: 4 x 3 if the frame allows it, centred on the region."""
    height, width = shape
    wide = max(box[2] * (1 + _AROUND), _LEAST[0], box[3] * (1 + _AROUND) * 4 / 3)
    across, along = min(round(wide), width), min(round(wide * 3 / 4), height)
    left = min(max(round(box[0] + box[2] / 2 - across / 2), 0), width - across)
    top = min(max(round(box[1] + box[3] / 2 - along / 2), 0), height - along)
    return left, top, across, along


def _crop(image: NDArray[np.uint8], window: tuple[int, int, int, int], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Crop an image, which may have another size than its label, to the window."""
    down, right = image.shape[0] / shape[0], image.shape[1] / shape[1]
    left, top, width, height = window
    rows = slice(round(top * down), max(round((top + height) * down), round(top * down) + 1))
    columns = slice(round(left * right), max(round((left + width) * right), round(left * right) + 1))
    return image[rows, columns]
