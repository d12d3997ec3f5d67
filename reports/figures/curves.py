"""Precision-recall and ROC curves over all valid pixels of a benchmark, as in the protocol `pooled`.

They are exact if the score maps are stored. Otherwise they connect exact counts at the edges of about a thousand bins.

A dot marks the threshold of FPR95: the highest threshold that finds 95 % of the anomalous pixels.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from typing_extensions import override

from oodbench.contracts import BinnedScores, ReportCard, Result, RunView, metric_spec
from oodbench.errors import NotStoredError
from oodbench.metrics import POOLED, PixelCounts, PixelCurve, pixel_curve, pixel_metrics
from oodbench.reports.figures.style import (
    COLUMN,
    LEGEND_LINE,
    BenchmarkFigure,
    FigureStyle,
    assign_styles,
    count_legend_columns,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PLUGINS = {
    "reports": {
        "precision-recall": ("PrecisionRecall", "precision-recall curves of all methods, one column wide"),
        "roc": ("Roc", "ROC curves of all methods, one column wide"),
    }
}

# Maximum points per curve: above the resolution of a column, while the file stays small.
_POINTS = 1000
# Minimum recall in percent at which precision sets the figure's upper limit: below, it varies with few pixels.
_START = 1.0
# Inches, without the legend.
_HEIGHT = 2.3


@dataclass(frozen=True)
class _CurveLine:
    style: FigureStyle
    percent: float
    text: str
    curve: PixelCurve

    @property
    def operating(self) -> int:
        """Return the index of the point of FPR95."""
        return int(np.argmax(self.curve.recall >= POOLED.tpr))


class _CurveFigure(BenchmarkFigure):
    """A figure per benchmark that reads all stored maps of the benchmark."""

    metric: str
    higher_is_better: bool

    @override
    def draw(self, run: RunView, benchmark: str, rows: Sequence[Result]) -> Figure:
        """Draw the figure of one benchmark: one curve per result, and a legend with the metric, the best first."""
        from matplotlib.figure import Figure

        styles = assign_styles(run.results)
        lines = [line for row in rows if (line := self._line(run, row, styles[row.label, row.network]))]
        lines.sort(key=lambda line: line.percent, reverse=self.higher_is_better)
        texts = [f"{line.text}  {line.style.text}" for line in lines]
        columns = count_legend_columns(texts)
        height = _HEIGHT + LEGEND_LINE * -(-len(lines) // columns)
        figure = Figure(figsize=(COLUMN, height), layout="constrained")
        axes = figure.add_subplot()
        axes.set(xlim=(0, 100), ylim=(0, 100))
        axes.set_title(benchmark, loc="left", color="#555555")
        self.plot(axes, lines)
        for line, text in zip(lines, texts, strict=True):
            axes.plot([], [], color=line.style.colour, linestyle=line.style.line, label=text)
        if lines:
            figure.legend(loc="outside lower center", ncols=columns, columnspacing=1.2, labelspacing=0.3,
                          title=f"{self.metric}, percent", title_fontsize=6)  # fmt: skip
        else:
            axes.text(50, 50, "no pixel is labelled as anomalous", ha="center", va="center")
        return figure

    def _line(self, run: RunView, row: Result, style: FigureStyle) -> _CurveLine | None:
        """Compute the curve of a result; None if labels are hidden, or if no pixel or every pixel is anomalous."""
        counts = PixelCounts()
        for frame in run.frames(row.benchmark):
            labels = run.labels(row.benchmark, frame)
            if labels is None:
                continue
            try:
                score = run.score(row, frame)
            except NotStoredError:
                binned = run.binned_scores(row)
                if binned is None:
                    raise
                return self._binned_line(row, style, binned)
            counts.update(score, labels)
        if not counts.positive or not counts.negative:
            return None
        points = counts.points()
        percent = 100 * pixel_metrics(counts, POOLED, points).values[self.metric]
        return _CurveLine(style, percent, f"{percent:.1f}", pixel_curve(counts, points))

    def _binned_line(self, row: Result, style: FigureStyle, binned: BinnedScores) -> _CurveLine | None:
        """Return the curve through the exact counts at the edges of bins, with the metric of the result."""
        curve, value = _curve_of_bins(binned), row.metrics.get(self.metric)
        if not curve.positive or not curve.negative or value is None:
            return None
        bracket = row.brackets.get(self.metric)
        text = f"{100 * value:.1f}" if bracket is None else metric_spec(self.metric).format_bracket(bracket)
        return _CurveLine(style, 100 * value, text, curve)

    @abstractmethod
    def plot(self, axes: Axes, lines: Sequence[_CurveLine]) -> None:
        """Draw the curves with their markers, and label the axes."""


def _curve_of_bins(binned: BinnedScores) -> PixelCurve:
    """Return the curve with a point at the lowest score of each bin that has anomalous pixels."""
    normal, anomalous = binned.counts.sum(axis=0)
    used = np.flatnonzero(anomalous)
    threshold = np.append(binned.lowest, np.float32(-np.inf))[used]
    true, false = np.cumsum(anomalous)[used], np.cumsum(normal)[used]
    # The ROC curve is straight between these points.
    before = np.append(0, false[:-1])
    return PixelCurve(threshold, true, false, before, int(anomalous.sum()), int(normal.sum()))


class PrecisionRecall(_CurveFigure):
    """Precision-recall curves, whose area under the steps is AP.

    The grey line is the share of anomalous pixels, the AP of a random score.
    """

    card = ReportCard("precision-recall", "Precision-recall curves", figure=True)
    metric, higher_is_better = "AP", True

    @override
    def plot(self, axes: Axes, lines: Sequence[_CurveLine]) -> None:
        top = 0.0
        for line in lines[:1]:
            share = 100 * line.curve.positive / (line.curve.positive + line.curve.negative)
            axes.axhline(share, color="#999999", linewidth=0.6, zorder=1)
        for line in lines:
            thin = line.curve.thin(_POINTS)
            recall, precision = (100 * np.insert(values, 0, first) for values, first in
                                 ((thin.recall, 0.0), (thin.precision, thin.precision[0])))  # fmt: skip
            top = max(top, float(precision[recall >= _START].max(initial=0)))
            axes.plot(recall, precision, color=line.style.colour, linestyle=line.style.line, drawstyle="steps-pre")
            at = line.operating
            axes.plot(100 * line.curve.recall[at], 100 * line.curve.precision[at], line.style.marker,
                      color=line.style.colour, markersize=3, clip_on=False)  # fmt: skip
        if lines:
            axes.set_ylim(0, min(10 * math.ceil(top / 9), 100))
        axes.set(xlabel="Recall, percent", ylabel="Precision, percent")


class Roc(_CurveFigure):
    """The dashed line is a true positive rate of 95 %, the operating point of FPR95."""

    card = ReportCard("roc", "ROC curves", figure=True)
    metric, higher_is_better = "FPR95", False

    @override
    def plot(self, axes: Axes, lines: Sequence[_CurveLine]) -> None:
        axes.set(xlabel="False positive rate, percent", ylabel="True positive rate, percent")
        axes.plot([0, 100], [0, 100], color="#999999", linewidth=0.6, zorder=1)
        axes.axhline(100 * POOLED.tpr, color="#999999", linewidth=0.6, linestyle=(0, (4, 3)), zorder=1)
        for line in lines:
            fpr, tpr = line.curve.thin(_POINTS).roc()
            axes.plot(100 * fpr, 100 * tpr, color=line.style.colour, linestyle=line.style.line)
            at = line.operating
            axes.plot(100 * line.curve.fpr[at], 100 * line.curve.recall[at], line.style.marker,
                      color=line.style.colour, markersize=3, clip_on=False)  # fmt: skip
