"""Figure of the closed-set segmentation: the predicted classes of each network.

The colours are those of Cityscapes, which readers of the field know. They are not safe for colour-blind readers, so the
classes that occur are named below the panels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from oodbench.contracts import ReportCard, Result, RunView
from oodbench.errors import NotStoredError
from oodbench.reports.figures.panels import draw_panels
from oodbench.reports.figures.style import COLUMN, BenchmarkFigure
from oodbench.types import CITYSCAPES_19, VOID, ClassSet, RGBImage, SemanticLabels
from oodbench.visualization.colormap import WIDTH

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PLUGINS = {"reports": {"segmentation": ("Segmentation", "image, label and the classes that each network predicts")}}

# cityscapesScripts, helpers/labels.py
_CITYSCAPES = (
    (128, 64, 128), (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153), (153, 153, 153), (250, 170, 30),
    (220, 220, 0), (107, 142, 35), (152, 251, 152), (70, 130, 180), (220, 20, 60), (255, 0, 0), (0, 0, 142), (0, 0, 70),
    (0, 60, 100), (0, 80, 100), (0, 0, 230), (119, 11, 32),
)  # fmt: skip

_NARROW = 4
# Height of a legend line in inches, and number of names per inch of width.
_LEGEND_LINE, _NAMES_AN_INCH = 0.095, 1.7


class Segmentation(BenchmarkFigure):
    """One figure per benchmark."""

    card = ReportCard("segmentation", "Segmentation figure", figure=True)

    @override
    def draw(self, run: RunView, benchmark: str, rows: Sequence[Result]) -> Figure:
        return draw_segmentation(run, benchmark, rows, run.figure_frames(benchmark))


def draw_segmentation(run: RunView, benchmark: str, rows: Sequence[Result], frames: Sequence[str]) -> Figure:
    """Draw the figure of one benchmark: one line per frame, one column per network.

    Raises:
        NotStoredError: The predicted classes of a network are not stored.
    """
    networks = {row.network: row for row in reversed(rows)}
    networks = {row.network: networks[row.network] for row in rows}
    labels = [run.semantic_labels(benchmark, frame) for frame in frames]
    labelled = [label for label in labels if label is not None]
    shown = [[_read_prediction(run, row, frame) for row in networks.values()] for frame in frames]
    titles, lines = ["Image", *networks], [[run.image(benchmark, frame)] for frame in frames]
    if len(labelled) == len(frames):
        titles.insert(1, "Label")
        shown = [[label, *line] for label, line in zip(labelled, shown, strict=True)]
    pictures: list[list[NDArray[Any]]] = [
        [*line, *map(colour_classes, more)] for line, more in zip(lines, shown, strict=True)
    ]
    width = COLUMN if len(titles) <= _NARROW else WIDTH
    legend = _list_classes([class_labels for line in shown for class_labels in line])
    in_a_line = int(width * _NAMES_AN_INCH)
    below = 0.05 + _LEGEND_LINE * -(-len(legend) // in_a_line)
    figure = draw_panels(titles, pictures, width, below)
    _draw_legend(figure, legend, in_a_line)
    return figure


def colour_classes(labels: SemanticLabels) -> RGBImage:
    """Colour each pixel by its class; void is black."""
    colours = np.zeros((256, 3), np.uint8)
    colours[: len(labels.classes)] = _make_palette(labels.classes)
    colours[VOID] = 0
    return colours[labels.values]


def _make_palette(classes: ClassSet) -> NDArray[np.uint8]:
    """Return the colours of a class set, uint8 [C, 3]; without known colours, hues that differ as much as possible."""
    if classes == CITYSCAPES_19:
        return np.array(_CITYSCAPES, np.uint8)
    from matplotlib.colors import hsv_to_rgb

    number = np.arange(len(classes))
    hsv = np.stack([number * 0.618034 % 1, 0.5 + 0.4 * (number % 2), 0.9 - 0.25 * (number % 3)], axis=1)
    return np.asarray(255 * hsv_to_rgb(hsv), np.uint8)


def _read_prediction(run: RunView, row: Result, frame: str) -> SemanticLabels:
    predicted = run.prediction(row, frame)
    if predicted is None:
        raise NotStoredError(
            f"{run.location}: the classes that {row.network} predicts in {frame} are not stored",
            "Run again with --keep-scores all, or omit networks without class maps.",
        )
    return predicted


def _list_classes(labels: Sequence[SemanticLabels]) -> list[tuple[str, NDArray[np.uint8]]]:
    """List names and colours of the classes that occur, in their order; void is last."""
    present = np.unique(np.concatenate([np.unique(class_labels.values) for class_labels in labels]))
    classes = labels[0].classes
    palette = _make_palette(classes)
    named = [(classes.names[index], palette[index]) for index in present if index < len(classes)]
    return [*named, *([("void", np.zeros(3, np.uint8))] if VOID in present else [])]


def _draw_legend(figure: Figure, entries: Sequence[tuple[str, NDArray[np.uint8]]], in_a_line: int) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(facecolor=tuple(colour / 255), label=name) for name, colour in entries]
    figure.legend(
        handles=handles, loc="lower center", ncols=in_a_line, fontsize=5, handlelength=1.0, handleheight=0.8,
        columnspacing=0.8, handletextpad=0.4, labelspacing=0.25, borderpad=0.1, borderaxespad=0.1,
    )  # fmt: skip
