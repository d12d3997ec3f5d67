"""Qualitative figure: frames, their labels and the maps of a few methods, one column wide.

The colours are those of the heatmaps. If the labels of a benchmark are hidden, the predicted classes are shown instead.
Up to four panels fit into a column of a paper; figures with more are as wide as the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from typing_extensions import override

from oodbench.contracts import ReportCard, Result, RunView
from oodbench.reports.figures.heatmaps import iter_score_pictures, overlay_labels
from oodbench.reports.figures.panels import draw_panels
from oodbench.reports.figures.segmentation import colour_classes
from oodbench.reports.figures.style import COLUMN, BenchmarkFigure
from oodbench.types import RGBImage
from oodbench.visualization.colormap import WIDTH, draw_colour_scale

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PLUGINS = {"reports": {"qualitative": ("Qualitative", "image, label and one column per method, one text column wide")}}

# Inches below the panels for the colour scale.
_BELOW = 0.44
_NARROW = 4


class Qualitative(BenchmarkFigure):
    """One figure per benchmark."""

    card = ReportCard("qualitative", "Qualitative figure", figure=True)

    @override
    def draw(self, run: RunView, benchmark: str, rows: Sequence[Result]) -> Figure:
        return draw_qualitative(run, benchmark, rows, run.figure_frames(benchmark))


def draw_qualitative(run: RunView, benchmark: str, rows: Sequence[Result], frames: Sequence[str]) -> Figure:
    """Draw the figure of one benchmark: one line per frame, one column per method and network."""
    labelled = all(run.labels(benchmark, frame) is not None for frame in frames)
    several = len({row.network for row in rows}) > 1
    titles = ["Image", "Label" if labelled else "Prediction"]
    titles += [f"{row.label}\n{row.network}" if several else row.label for row in rows]
    lines = [
        [run.image(benchmark, frame), _choose_second_panel(run, rows[0], frame, labelled), *maps]
        for frame, maps in zip(frames, iter_score_pictures(run, rows, frames), strict=True)
    ]
    figure = draw_panels(titles, lines, COLUMN if len(titles) <= _NARROW else WIDTH, _BELOW)
    draw_colour_scale(figure, run.calibration(rows[0]), _BELOW / figure.get_figheight())
    return figure


def _choose_second_panel(run: RunView, row: Result, frame: str, labelled: bool) -> RGBImage:
    """Return the image with its labels; without labels the predicted classes; without these the image."""
    image, labels = run.image(row.benchmark, frame), run.labels(row.benchmark, frame)
    if labelled and labels is not None:
        return overlay_labels(image, labels)
    predicted = run.prediction(row, frame)
    return image if predicted is None else colour_classes(predicted)
