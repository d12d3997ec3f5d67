"""Histograms of the scores of anomalous and in-distribution pixels, one panel per method and network.

The shares of each kind of pixel add up to one, so that few anomalous pixels are visible next to many others. The axis
of shares is logarithmic, because the tails matter. The dashed line is the threshold that was chosen without anomalies:
the score that 5 % of the calibration frames' pixels exceed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from oodbench.contracts import ReportCard, Result, RunView
from oodbench.reports.figures.style import (
    ANOMALY_COLOUR,
    COLUMN,
    IN_DISTRIBUTION_COLOUR,
    BenchmarkFigure,
    assign_styles,
)
from oodbench.types import ANOMALY, IN_DISTRIBUTION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PLUGINS = {
    "reports": {"score-histograms": ("ScoreHistograms", "scores of anomalous and other pixels, one panel per method")}
}

_BINS = 60
_ACROSS = 2
# Inches.
_PANEL, _REST = 1.0, 0.25
# The panel's range is computed from one in this many pixels, and excludes this percentage at each end.
_EVERY, _OUTERMOST = 31, 0.1
_SHARE = 0.95
_LEAST = 1e-4


class ScoreHistograms(BenchmarkFigure):
    """One figure per benchmark. Every stored map of it is read twice."""

    card = ReportCard("score-histograms", "Score histograms", figure=True)

    @override
    def draw(self, run: RunView, benchmark: str, rows: Sequence[Result]) -> Figure:
        return draw_histograms(run, benchmark, rows)


def draw_histograms(run: RunView, benchmark: str, rows: Sequence[Result]) -> Figure:
    """Draw the figure of one benchmark."""
    from matplotlib.figure import Figure

    lines = -(-len(rows) // _ACROSS)
    figure = Figure(figsize=(COLUMN, _REST + _PANEL * lines), layout="constrained")
    styles = assign_styles(run.results)
    for place, row in enumerate(rows, 1):
        axes = figure.add_subplot(lines, _ACROSS, place)
        axes.set_title(styles[row.label, row.network].lines, pad=2, loc="left", fontsize=6)
        edges, shares = compute_histogram(run, row)
        _draw_panel(axes, edges, shares)
        calibration = run.calibration(row)
        if calibration is not None:
            axes.axvline(calibration.score_at(_SHARE), color="#333333", linewidth=0.7, linestyle=(0, (3, 2)),
                         label="5 % of calibration above")  # fmt: skip
        if place % _ACROSS == 1:
            axes.set_ylabel("Share of pixels")
        else:
            axes.set_yticks(axes.get_yticks(), labels=[])
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, columnspacing=1.0)
    return figure


def compute_histogram(run: RunView, row: Result) -> tuple[NDArray[np.float64], dict[int, NDArray[np.float64]]]:
    """Compute the bin edges, float64 [B + 1], and per kind of pixel the share in each bin, float64 [B].

    Shares refer to all pixels of the kind, including those outside the edges. Without any pixels of a kind, its shares
    are 0.
    """
    kinds = (IN_DISTRIBUTION, ANOMALY)
    sample: dict[int, list[NDArray[np.float32]]] = {kind: [] for kind in kinds}
    for score, label in _iter_pixels(run, row):
        for kind in kinds:
            sample[kind].append(score[label == kind][::_EVERY])
    ends = [np.percentile(values, [_OUTERMOST, 100 - _OUTERMOST]) for parts in sample.values()
            if (values := np.concatenate([np.empty(0, np.float32), *parts])).size]  # fmt: skip
    low, high = (min(end[0] for end in ends), max(end[1] for end in ends)) if ends else (0.0, 1.0)
    edges = np.linspace(low, high if high > low else low + 1.0, _BINS + 1)
    counts, pixels = {kind: np.zeros(_BINS) for kind in kinds}, dict.fromkeys(kinds, 0)
    for score, label in _iter_pixels(run, row):
        for kind in kinds:
            values = score[label == kind]
            counts[kind] += np.histogram(values, edges)[0]
            pixels[kind] += values.size
    return edges, {kind: part / max(pixels[kind], 1) for kind, part in counts.items()}


def _iter_pixels(run: RunView, row: Result) -> Iterator[tuple[NDArray[np.float32], NDArray[np.uint8]]]:
    """Yield scores and labels of each labelled frame."""
    for frame in run.frames(row.benchmark):
        labels = run.labels(row.benchmark, frame)
        if labels is not None:
            yield run.score(row, frame), labels.values


def _draw_panel(axes: Axes, edges: NDArray[np.float64], shares: dict[int, NDArray[np.float64]]) -> None:
    for kind, colour, name in (
        (IN_DISTRIBUTION, IN_DISTRIBUTION_COLOUR, "in-distribution"),
        (ANOMALY, ANOMALY_COLOUR, "anomalous"),
    ):
        axes.stairs(shares[kind], edges, baseline=_LEAST, fill=True, color=colour, alpha=0.25, linewidth=0)
        axes.stairs(shares[kind], edges, baseline=None, color=colour, linewidth=0.8, label=name)
    axes.set(yscale="log", ylim=(_LEAST, 1), xlim=(edges[0], edges[-1]))
    axes.set_yticks([1e-4, 1e-2, 1], labels=["0.01 %", "1 %", "100 %"])
    axes.set_yticks([], minor=True)
