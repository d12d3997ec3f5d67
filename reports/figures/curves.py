"""Precision-recall and ROC curves, exact: all valid pixels of a benchmark in one pool, as the protocol `pooled` counts.

A dot marks where FPR95 is read: the first threshold, coming down, that finds 95 % of the anomalous pixels.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from oodbench.contracts import ReportCard, Result, RunView
from oodbench.metrics import POOLED, PixelCounts, PixelCurve, pixel_curve, pixel_metrics
from oodbench.reports.figures.style import COLUMN, LEGEND_LINE, BenchmarkFigure, Look, legend_columns, looks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PLUGINS = {
    "reports": {
        "precision-recall": ("PrecisionRecall", "precision-recall curves of all methods, at a column's width"),
        "roc": ("Roc", "ROC curves of all methods, at a column's width"),
    }
}

# Points of a line: more than a column has dots, and the file stays small.
_POINTS = 1000
# Percent of recall from which on precision decides how high the figure reaches: before, few pixels make it jump.
_START = 1.0
# Inches, without the legend.
_HEIGHT = 2.3


@dataclass(frozen=True)
class _Line:
    look: Look
    percent: float
    curve: PixelCurve

    @property
    def operating(self) -> int:
        """The point at which FPR95 is read."""
        return int(np.argmax(self.curve.recall >= POOLED.tpr))


class _Curves(BenchmarkFigure):
    """One figure a benchmark. Every stored map of it is read."""

    metric: str
    higher_is_better: bool

    def draw(self, run: RunView, benchmark: str, rows: Sequence[Result]) -> Figure:
        """The figure of one benchmark: a line for each row; the legend has the metric, the best first."""
        from matplotlib.figure import Figure

        known = looks(run.rows)
        lines = [line for row in rows if (line := self._line(run, row, known[row.label, row.network]))]
        lines.sort(key=lambda line: line.percent, reverse=self.higher_is_better)
        texts = [f"{line.percent:.1f}  {line.look.text}" for line in lines]
        columns = legend_columns(texts)
        height = _HEIGHT + LEGEND_LINE * -(-len(lines) // columns)
        figure = Figure(figsize=(COLUMN, height), layout="constrained")
        axes = figure.add_subplot()
        axes.set(xlim=(0, 100), ylim=(0, 100))
        axes.set_title(benchmark, loc="left", color="#555555")
        self.plot(axes, lines)
        for line, text in zip(lines, texts, strict=True):
            axes.plot([], [], color=line.look.colour, linestyle=line.look.line, label=text)
        if lines:
            figure.legend(loc="outside lower center", ncols=columns, columnspacing=1.2, labelspacing=0.3,
                          title=f"{self.metric}, percent", title_fontsize=6)  # fmt: skip
        else:
            axes.text(50, 50, "no pixel is labelled as anomalous", ha="center", va="center")
        return figure

    def _line(self, run: RunView, row: Result, look: Look) -> _Line | None:
        """None where the labels are secret, or no pixel is anomalous, or every one."""
        counts = PixelCounts()
        for frame in run.frames(row.benchmark):
            labels = run.labels(row.benchmark, frame)
            if labels is not None:
                counts.update(run.score(row, frame), labels)
        if not counts.positive or not counts.negative:
            return None
        points = counts.points()
        return _Line(look, 100 * pixel_metrics(counts, POOLED, points).values[self.metric], pixel_curve(counts, points))

    @abstractmethod
    def plot(self, axes: Axes, lines: Sequence[_Line]) -> None:
        """Draw the lines, with their dots, and name the axes."""


class PrecisionRecall(_Curves):
    """The area under a line's steps is AP; the grey line is the share of anomalous pixels, which chance reaches."""

    card = ReportCard("precision-recall", "Precision-recall curves", figure=True)
    metric, higher_is_better = "AP", True

    def plot(self, axes: Axes, lines: Sequence[_Line]) -> None:
        top = 0.0
        for line in lines[:1]:
            share = 100 * line.curve.positive / (line.curve.positive + line.curve.negative)
            axes.axhline(share, color="#999999", linewidth=0.6, zorder=1)
        for line in lines:
            thin = line.curve.thin(_POINTS)
            recall, precision = (100 * np.insert(values, 0, first) for values, first in
                                 ((thin.recall, 0.0), (thin.precision, thin.precision[0])))  # fmt: skip
            top = max(top, float(precision[recall >= _START].max(initial=0)))
            axes.plot(recall, precision, color=line.look.colour, linestyle=line.look.line, drawstyle="steps-pre")
            at = line.operating
            axes.plot(100 * line.curve.recall[at], 100 * line.curve.precision[at], line.look.marker,
                      color=line.look.colour, markersize=3, clip_on=False)  # fmt: skip
        if lines:
            axes.set_ylim(0, min(10 * math.ceil(top / 9), 100))
        axes.set(xlabel="Recall, percent", ylabel="Precision, percent")


class Roc(_Curves):
    """The dashed line is a true positive rate of 95 %, at which FPR95 is read."""

    card = ReportCard("roc", "ROC curves", figure=True)
    metric, higher_is_better = "FPR95", False

    def plot(self, axes: Axes, lines: Sequence[_Line]) -> None:
        axes.set(xlabel="False positive rate, percent", ylabel="True positive rate, percent")
        axes.plot([0, 100], [0, 100], color="#999999", linewidth=0.6, zorder=1)
        axes.axhline(100 * POOLED.tpr, color="#999999", linewidth=0.6, linestyle=(0, (4, 3)), zorder=1)
        for line in lines:
            fpr, tpr = line.curve.thin(_POINTS).roc()
            axes.plot(100 * fpr, 100 * tpr, color=line.look.colour, linestyle=line.look.line)
            at = line.operating
            axes.plot(100 * line.curve.fpr[at], 100 * line.curve.recall[at], line.look.marker,
                      color=line.look.colour, markersize=3, clip_on=False)  # fmt: skip
