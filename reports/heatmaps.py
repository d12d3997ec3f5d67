"""Heatmap figures: a frame, its label and each method's map side by side, a few frames of each benchmark.

Each method has one colour scale for all frames, taken from calibration: the colour says how rare such a score is among
in-distribution pixels, from common to one in ten thousand. So colours can be compared between frames and, unlike raw
scores, between methods. A run without in-distribution frames has no calibration; its scales run from the lowest to the
highest percentile of each method's scores in the figure, and the figure says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from oodbench.contracts import Report, ReportCard, Row, RunView
from oodbench.drawing import COLOURS, RAREST, WIDTH, colour_position, colour_scale, to_width
from oodbench.files import write_atomically
from oodbench.types import ANOMALY, VOID, AnomalyLabels, RGBImage

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PLUGINS = {"reports": {"heatmaps": ("Heatmaps", "frames, labels and score maps side by side, as PNG and PDF")}}

# Of a panel's width: they print at 300 dots an inch.
_PANEL_PIXELS = 360
_ANOMALY_COLOUR = np.array([255, 122, 0], np.float32)


class Heatmaps(Report):
    """One figure a benchmark and network."""

    card = ReportCard("heatmaps", "Heatmap figures", default=True)

    def write(self, run: RunView, out: Path) -> Sequence[Path]:
        groups: dict[tuple[str, str], dict[str, Row]] = {}
        for row in run.rows:  # under several protocols a method has several rows, and one map
            groups.setdefault((row.benchmark, row.network), {})[row.label] = row
        networks = sorted({network for _, network in groups})
        written = []
        for (benchmark, network), rows in groups.items():
            # A network's name is the user's string; its place among the names is not.
            suffix = f"-{networks.index(network) + 1}" if len(networks) > 1 else ""
            figure = draw(run, benchmark, list(rows.values()), run.figure_frames(benchmark))
            for ending in ("png", "pdf"):
                path = out / f"heatmaps-{benchmark}{suffix}.{ending}"
                # Compressing harder doubles the time that a PNG takes and makes it an eighth smaller.
                options = {"pil_kwargs": {"compress_level": 1}} if ending == "png" else {}
                write_atomically(path, lambda file, figure=figure, ending=ending, options=options: figure.savefig(  # type: ignore[misc]
                    file, format=ending, dpi=300, **options))  # fmt: skip
                written.append(path)
        return written


def draw(run: RunView, benchmark: str, rows: Sequence[Row], frames: Sequence[str]) -> Figure:
    """The figure of one benchmark and network: a line a frame, a column a method."""
    from matplotlib.figure import Figure

    calibrations = [run.calibration(row) for row in rows]
    columns = 2 + len(rows)
    panel = WIDTH / columns
    images = [run.image(benchmark, frame) for frame in frames]
    heights = [image.shape[0] / image.shape[1] for image in images]
    # Inches for text: titles above, the colour scale below.
    above, below = 0.17, 0.40
    height = above + below + panel * sum(heights) + 0.03 * len(frames)
    figure = Figure(figsize=(WIDTH, height))
    grid = figure.add_gridspec(
        len(frames), columns, height_ratios=heights, left=0.002, right=0.998, wspace=0.03, hspace=0.03 / panel,
        top=1 - above / height, bottom=below / height,
    )  # fmt: skip
    scales = [None if c else _percentiles(run, row, frames) for c, row in zip(calibrations, rows, strict=True)]
    for line, (frame, image) in enumerate(zip(frames, images, strict=True)):
        labels = run.labels(benchmark, frame)
        panels: list[NDArray[Any]] = [_small(image), _small(overlay(image, labels) if labels else image)]
        for row, calibration, scale in zip(rows, calibrations, scales, strict=True):
            panels.append(_small(colour_position(run.score(row, frame), calibration, scale)))
        for column, picture in enumerate(panels):
            axes: Axes = figure.add_subplot(grid[line, column])
            axes.imshow(picture, cmap=COLOURS, vmin=0, vmax=RAREST, interpolation="nearest", aspect="auto")
            axes.set_axis_off()
            if line == 0:
                title = ["Image", "Label", *(row.label for row in rows)][column]
                axes.set_title(title, fontsize=7 if len(title) < 16 else 5, pad=2)
    about = f"{benchmark}, {rows[0].network}\nlabel: orange anomalous, dark void"
    figure.text(0.004, below / height * 0.12, about, ha="left", va="bottom", fontsize=5)
    colour_scale(figure, calibrations[0], below / height)
    return figure


def overlay(image: RGBImage, labels: AnomalyLabels) -> RGBImage:
    """The image with anomalies orange and void dark."""
    picture = image.astype(np.float32) * 0.6
    anomalous = labels.values == ANOMALY
    picture[anomalous] = 0.35 * picture[anomalous] + 0.65 * _ANOMALY_COLOUR
    picture[labels.values == VOID] *= 0.25
    return picture.astype(np.uint8)


def _percentiles(run: RunView, row: Row, frames: Sequence[str]) -> tuple[float, float]:
    values = np.concatenate([run.score(row, frame).ravel()[::16] for frame in frames])
    low, high = np.percentile(values, [1, 99])
    return float(low), float(high)


def _small(picture: NDArray[Any]) -> NDArray[Any]:
    return to_width(picture, _PANEL_PIXELS)
