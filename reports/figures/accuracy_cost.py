"""Accuracy against cost: average precision against the time per frame with one method alone.

The run measures the cost of a frame: the forward pass, the pass over the logits that logit scores share, and the
method's own part. It depends on the machine, which the figure names. Bars are intervals of average precision.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from typing_extensions import override

from oodbench.contracts import ReportCard, Result, RunView, metric_spec
from oodbench.reports.figures.style import COLUMN, LEGEND_LINE, BenchmarkFigure, assign_styles, count_legend_columns

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PLUGINS = {"reports": {"accuracy-cost": ("AccuracyCost", "average precision against milliseconds per frame")}}

_METRIC = "AP"
# Inches, without the legend.
_HEIGHT = 2.1


class AccuracyCost(BenchmarkFigure):
    """One figure per benchmark."""

    card = ReportCard("accuracy-cost", "Accuracy against cost", figure=True)

    @override
    def draw(self, run: RunView, benchmark: str, rows: Sequence[Result]) -> Figure:
        return draw_accuracy_cost(run, benchmark, rows)


def draw_accuracy_cost(run: RunView, benchmark: str, rows: Sequence[Result]) -> Figure:
    """Draw the figure of one benchmark: a point per result with a measured cost and a defined metric."""
    from matplotlib.figure import Figure

    styles = assign_styles(run.results)
    points = sorted(
        [
            (100 * value, time, row)
            for row in rows
            if (time := sum_milliseconds(row)) is not None and (value := row.metrics.get(_METRIC)) is not None
        ],
        key=lambda point: -point[0],
    )
    texts = [f"{_print(row, value)}  {styles[row.label, row.network].text}" for value, _, row in points]
    columns = count_legend_columns(texts)
    height = _HEIGHT + LEGEND_LINE * -(-len(points) // columns)
    figure = Figure(figsize=(COLUMN, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set(xlabel="Milliseconds per frame" + _describe_machine(rows), ylabel=f"{_METRIC}, percent")
    axes.set_title(benchmark, loc="left", color="#555555")
    for (value, time, row), text in zip(points, texts, strict=True):
        style = styles[row.label, row.network]
        bounds = row.intervals.bounds.get(_METRIC) if row.intervals else None
        if bounds is not None:
            axes.plot([time, time], [100 * bounds[0], 100 * bounds[1]], color=style.colour, linewidth=0.6, alpha=0.5)
        axes.plot(time, value, style.marker, color=style.colour, markersize=4, linestyle="none", label=text)
    if points:
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        figure.legend(loc="outside lower center", ncols=columns, columnspacing=1.2, labelspacing=0.3,
                      title=f"{_METRIC}, percent", title_fontsize=6)  # fmt: skip
    else:
        axes.text(0.5, 0.5, "no cost was measured", transform=axes.transAxes, ha="center")
    return figure


def _print(row: Result, value: float) -> str:
    bracket = row.brackets.get(_METRIC)
    return f"{value:.1f}" if bracket is None else metric_spec(_METRIC).format_bracket(bracket)


def sum_milliseconds(row: Result) -> float | None:
    """Return the time per frame with this method alone; None if the forward pass was not measured."""
    parts = [row.cost.forward_ms, row.cost.summary_ms, row.cost.score_ms]
    return None if parts[0] is None else sum(part for part in parts if part is not None)


def _describe_machine(rows: Sequence[Result]) -> str:
    """Name the processors or devices on which the results were measured."""
    machines = dict.fromkeys(
        environment["processor"] if environment.get("device") == "cpu" else environment["device"]
        for row in rows
        if (environment := row.environment) and {"processor", "device"} <= set(environment)
    )
    return f" ({', '.join(machines)})" if machines else ""
