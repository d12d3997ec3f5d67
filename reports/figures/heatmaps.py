"""Heatmap figures: frames, their labels and the map of each method side by side, for a few frames per benchmark.

Each method has one colour scale for all frames, taken from calibration: the colour shows how rare a score is among
in-distribution pixels, from common to one in ten thousand. Colours are therefore comparable between frames and, unlike
raw scores, between methods. A run without in-distribution frames has no calibration. Its scales span the percentiles of
each method's scores in the figure, and the figure says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from oodbench.contracts import Report, ReportCard, Result, RunView
from oodbench.reports.figures.panels import draw_panels
from oodbench.reports.figures.style import apply_rc_style, save_figure
from oodbench.types import ANOMALY, VOID, AnomalyLabels, RGBImage
from oodbench.visualization.colormap import WIDTH, compute_colour_position, draw_colour_scale

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PLUGINS = {"reports": {"heatmaps": ("Heatmaps", "frames, labels and score maps side by side, as PNG and PDF")}}

# Inches below the panels for the colour scale.
_BELOW = 0.40
_ANOMALY_COLOUR = np.array([255, 122, 0], np.float32)


class Heatmaps(Report):
    """One figure per benchmark and network."""

    card = ReportCard("heatmaps", "Heatmap figures", default=True, figure=True)

    @override
    def write(self, run: RunView, out: Path) -> Sequence[Path]:
        groups: dict[tuple[str, str], dict[str, Result]] = {}
        for row in run.results:  # with several protocols, a method has several results but one map
            groups.setdefault((row.benchmark, row.network), {})[row.label] = row
        networks = sorted({network for _, network in groups})
        written = []
        for (benchmark, network), rows in groups.items():
            # The file name contains the index of the network instead of its name, which is chosen by the user.
            suffix = f"-{networks.index(network) + 1}" if len(networks) > 1 else ""
            with apply_rc_style():
                figure = draw_heatmaps(run, benchmark, list(rows.values()), run.figure_frames(benchmark))
                written += save_figure(figure, out, f"heatmaps-{benchmark}{suffix}")
        return written


def draw_heatmaps(run: RunView, benchmark: str, rows: Sequence[Result], frames: Sequence[str]) -> Figure:
    """Draw the figure of one benchmark and network: one line per frame, one column per method."""
    pictures = []
    for frame, maps in zip(frames, iter_score_pictures(run, rows, frames), strict=True):
        image, labels = run.image(benchmark, frame), run.labels(benchmark, frame)
        pictures.append([image, overlay_labels(image, labels) if labels else image, *maps])
    figure = draw_panels(["Image", "Label", *(row.label for row in rows)], pictures, WIDTH, _BELOW)
    below = _BELOW / figure.get_figheight()
    about = f"{benchmark}, {rows[0].network}\nlabel: orange anomalous, dark void"
    figure.text(0.004, below * 0.12, about, ha="left", va="bottom", fontsize=5)
    draw_colour_scale(figure, run.calibration(rows[0]), below)
    return figure


def iter_score_pictures(run: RunView, rows: Sequence[Result], frames: Sequence[str]) -> Iterator[list[NDArray[Any]]]:
    """Yield the scores of all results on the colour scale, frame by frame."""
    calibrations = [run.calibration(row) for row in rows]
    scales = [None if c else _compute_percentiles(run, row, frames) for c, row in zip(calibrations, rows, strict=True)]
    for frame in frames:
        yield [
            compute_colour_position(run.score(row, frame), calibration, scale)
            for row, calibration, scale in zip(rows, calibrations, scales, strict=True)
        ]


def overlay_labels(image: RGBImage, labels: AnomalyLabels) -> RGBImage:
    """Overlay labels on the image: anomalies orange, void dark."""
    picture = image.astype(np.float32) * 0.6
    anomalous = labels.values == ANOMALY
    picture[anomalous] = 0.35 * picture[anomalous] + 0.65 * _ANOMALY_COLOUR
    picture[labels.values == VOID] *= 0.25
    return picture.astype(np.uint8)


def _compute_percentiles(run: RunView, row: Result, frames: Sequence[str]) -> tuple[float, float]:
    values = np.concatenate([run.score(row, frame).ravel()[::16] for frame in frames])
    low, high = np.percentile(values, [1, 99])
    return float(low), float(high)
