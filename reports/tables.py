"""The comparison as a table: for the terminal, Markdown, LaTeX and CSV.

Beside the anomaly metrics stands what the network makes of the classes it knows: mIoU and expected calibration error.
Rows that differ in scoring or protocol don't stand in one table: each combination gets one of its own.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oodbench.contracts import HIGHER_IS_BETTER, Report, ReportCard, Row, RunView
from oodbench.files import write_atomically

PLUGINS = {
    "reports": {
        "terminal": ("Terminal", "the table as plain text"),
        "markdown": ("Markdown", "the table in Markdown"),
        "latex": ("Latex", "the table in LaTeX, with booktabs"),
        "csv": ("Csv", "all rows with their counts and costs, one line each"),
    }
}

_SCORED = {
    "logits": "class maps brought to the label's resolution and scored there, features scored on their grid",
    "score": "scored on the network's grid, scores brought to the label's resolution",
    "given": "scores as given, smaller ones brought to the label's resolution",
}
"""Scoring's `upsample` in words."""


_CLOSED_SET = {"mIoU": "miou", "ECE": "ece"}
_HIGHER_IS_BETTER = {**HIGHER_IS_BETTER, "mIoU": True, "ECE": False}


@dataclass(frozen=True)
class ComparisonTable:
    """One table: a line a method and network, a column a benchmark and metric.

    Attributes:
        title: scoring and protocol.
        columns: (benchmark, metric) in order, after the in-distribution set with the metrics of the network alone.
        lines: (method, network) -> percentages, None where there is no row or the metric is undefined.
        intervals: (method, network) -> their intervals as text, empty where there is none.
        notes: what a reader has to know.
        interval_notes: how the intervals were made, and why some are missing.
    """

    title: str
    columns: list[tuple[str, str]]
    lines: dict[tuple[str, str], list[float | None]]
    intervals: dict[tuple[str, str], list[str]]
    notes: list[str]
    interval_notes: list[str]

    def ranks(self) -> dict[tuple[int, int], int]:
        """(line, column) -> 1 for the best and 2 for the second value of the column, as printed; ties share a rank."""
        found: dict[tuple[int, int], int] = {}
        for column, (_, metric) in enumerate(self.columns):
            values = {line: f"{v[column]:.2f}" for line, v in enumerate(self.lines.values()) if v[column] is not None}
            distinct = sorted(set(values.values()), key=float, reverse=_HIGHER_IS_BETTER.get(metric, False))
            if len(values) > 1 and (len(distinct) > 1 or metric not in _CLOSED_SET):
                found |= {(line, column): rank for rank, text in enumerate(distinct[:2], 1)
                          for line, value in values.items() if value == text}  # fmt: skip
        return found

    @property
    def names_networks(self) -> bool:
        return len({network for _, network in self.lines}) > 1

    def heads(self) -> list[str]:
        return ["Method", *(["Network"] if self.names_networks else [])]

    def names(self) -> list[list[str]]:
        return [[method, *([network] if self.names_networks else [])] for method, network in self.lines]


def comparison_tables(run: RunView) -> list[ComparisonTable]:
    """One table for each combination of scoring and protocol among the rows."""
    groups: dict[str, list[Row]] = {}
    for row in run.rows:
        title = _SCORED[row.scoring["upsample"]]
        if row.scoring["resize"] == "bilinear-aligned":
            title += ", corner pixels aligned"
        groups.setdefault(f"{title}; protocol {row.protocol['name']}; percent", []).append(row)
    return [_table(title, rows, run.quality) for title, rows in groups.items()]


def _table(title: str, rows: Sequence[Row], quality: Mapping[str, Mapping[str, Any]]) -> ComparisonTable:
    closed = {
        (row.network, (f"{known['dataset']} {known['split']}", metric)): known[name]
        for row in rows
        if (known := quality.get(row.network)) is not None
        for metric, name in _CLOSED_SET.items()
        if known.get(name) is not None
    }
    columns = list(dict.fromkeys(column for _, column in closed))
    columns += dict.fromkeys((row.benchmark, metric) for row in rows for metric in row.metrics)
    lines: dict[tuple[str, str], list[float | None]] = {}
    intervals: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        line = lines.setdefault((row.label, row.network), [None] * len(columns))
        bounds = intervals.setdefault((row.label, row.network), [""] * len(columns))
        for metric, value in row.metrics.items():
            at = columns.index((row.benchmark, metric))
            line[at] = None if value is None else 100 * value
            bounds[at] = row.intervals.text(metric) if row.intervals else ""
        for (network, column), value in closed.items():
            if network == row.network:
                line[columns.index(column)] = 100 * value
    frames = {f"{known['dataset']} {known['split']}": known["frames"] for known in quality.values() if closed}
    frames |= {row.benchmark: row.counts["frames"] for row in rows}
    counted = "Frames: " + ", ".join(f"{benchmark} {count}" for benchmark, count in frames.items()) + "."
    warnings = dict.fromkeys(warning for row in rows for warning in row.warnings)
    undefined = dict.fromkeys(
        f"{row.benchmark}: {metric} is undefined: {reason}" for row in rows for metric, reason in row.undefined.items()
    )
    notes = [counted, *warnings, *undefined]
    return ComparisonTable(title, columns, lines, intervals, notes, _interval_notes(rows))


def _interval_notes(rows: Sequence[Row]) -> list[str]:
    made = dict.fromkeys(f"{row.intervals.title}." for row in rows if row.intervals and row.intervals.bounds)
    missing = dict.fromkeys(
        f"{row.benchmark}: no interval of {metric}: {reason}"
        for row in rows
        if row.intervals
        for metric, reason in row.intervals.undefined.items()
        if metric not in row.undefined
    )
    return [*made, *missing]


def arrow(metric: str) -> str:
    """The metric with the direction in which it gets better."""
    return f"{metric} {'↑' if _HIGHER_IS_BETTER.get(metric, False) else '↓'}"


class TextReport(Report):
    """A report in one text file, named `file`."""

    file: str

    def write(self, run: RunView, out: Path) -> Sequence[Path]:
        path = out / self.file
        text = self.text(run)
        write_atomically(path, lambda file: file.write(text.encode()))
        return [path]


class Terminal(TextReport):
    """Plain text, as wide as it needs to be; the best value has a star, the second a plus."""

    card = ReportCard("terminal", "Table as plain text", default=True, text=True)
    file = "table.txt"

    def text(self, run: RunView) -> str:
        from rich import box
        from rich.console import Console
        from rich.table import Table

        buffer = io.StringIO()
        console = Console(file=buffer, width=400, color_system=None)
        for comparison in comparison_tables(run):
            ranks = comparison.ranks()
            table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
            for head in comparison.heads():
                table.add_column(head, no_wrap=True, vertical="bottom")
            shown = ""
            for benchmark, metric in comparison.columns:
                table.add_column(f"{benchmark if benchmark != shown else ''}\n{arrow(metric)}", justify="right")
                shown = benchmark
            marks = {1: "*", 2: "+"}
            for line, (names, values) in enumerate(zip(comparison.names(), comparison.lines.values(), strict=True)):
                cells = [_percent(v) + marks.get(ranks.get((line, c), 0), " ") for c, v in enumerate(values)]
                table.add_row(*names, *cells)
            console.print(table)
            console.print(f"{comparison.title}. * best, + second.", markup=False, highlight=False)
            for note in comparison.notes:
                console.print(note, markup=False, highlight=False, soft_wrap=True)
        return "\n".join([*(line.rstrip() for line in buffer.getvalue().splitlines()), *run.notes]) + "\n"


class Markdown(TextReport):
    """The best value is bold, the second underlined."""

    card = ReportCard("markdown", "Table in Markdown", default=True, text=True)
    file = "table.md"

    def text(self, run: RunView) -> str:
        from tabulate import tabulate

        parts = []
        for comparison in comparison_tables(run):
            ranks = comparison.ranks()
            marks = {1: "**{}**", 2: "<u>{}</u>", 0: "{}"}
            body = [
                [*names, *(f"{marks[ranks.get((line, c), 0)].format(_percent(v))} {bounds[c]}".rstrip()
                           for c, v in enumerate(values))]
                for line, (names, values, bounds) in enumerate(
                    zip(comparison.names(), comparison.lines.values(), comparison.intervals.values(), strict=True)
                )
            ]  # fmt: skip
            heads = [
                *comparison.heads(),
                *(f"{benchmark} {arrow(metric)}" for benchmark, metric in comparison.columns),
            ]
            align = ["left"] * len(comparison.heads()) + ["right"] * len(comparison.columns)
            parts.append(tabulate(body, heads, "pipe", disable_numparse=True, colalign=align))
            parts.append(f"{comparison.title[0].upper()}{comparison.title[1:]}. **Best**, <u>second</u>.")
            parts.append("\n".join(f"- {note}" for note in [*comparison.interval_notes, *comparison.notes]))
        if run.notes:
            parts.append("\n".join(f"- {note}" for note in run.notes))
        return "\n\n".join(parts) + "\n"


class Latex(TextReport):
    """Needs \\usepackage{booktabs}. The best value is bold, the second underlined; intervals stand below the values."""

    card = ReportCard("latex", "Table in LaTeX", default=True, text=True)
    file = "table.tex"

    def text(self, run: RunView) -> str:
        import pandas as pd

        parts = []
        for comparison in comparison_tables(run):
            columns = pd.MultiIndex.from_tuples(
                [(_escape(benchmark), arrow(metric).replace("↑", r"$\uparrow$").replace("↓", r"$\downarrow$"))
                 for benchmark, metric in comparison.columns]
            )  # fmt: skip
            index = pd.Index([_escape(" / ".join(names)) for names in comparison.names()])
            ranks, styles = comparison.ranks(), {1: r"\textbf{{{}}}", 2: r"\underline{{{}}}", 0: "{}"}
            cells = [
                [_stacked(styles[ranks.get((line, c), 0)].format(_percent(v, "--")), bounds[c])
                 for c, v in enumerate(values)]
                for line, (values, bounds) in enumerate(
                    zip(comparison.lines.values(), comparison.intervals.values(), strict=True)
                )
            ]  # fmt: skip
            styled = pd.DataFrame(cells, index=index, columns=columns).style
            tex = styled.to_latex(hrules=True, multicol_align="c", column_format="l" + "r" * len(columns))
            notes = [comparison.title, *comparison.interval_notes, *comparison.notes]
            parts.append("".join(f"% {note}\n" for note in notes) + tex)
        if run.notes:
            parts.append("".join(f"% {note}\n" for note in run.notes))
        return "\n".join(parts)


def _stacked(value: str, bounds: str) -> str:
    return rf"\shortstack{{{value}\\{{\tiny {bounds}}}}}" if bounds else value


class Csv(TextReport):
    """For further computation: fractions with all their digits."""

    card = ReportCard("csv", "Rows as CSV", default=True, text=True)
    file = "table.csv"

    def text(self, run: RunView) -> str:
        import pandas as pd

        rows = [
            {"network": row.network, "method": row.method, "label": row.label, "benchmark": row.benchmark}
            | {"scoring": row.scoring["upsample"], "resize": row.scoring["resize"]}
            | {"protocol": row.protocol["name"], "seed": row.seed}
            | row.metrics
            | _bounds(row)
            | row.counts
            | row.cost
            for row in run.rows
        ]
        return str(pd.DataFrame(rows).to_csv(index=False))


def _bounds(row: Row) -> dict[str, object]:
    if row.intervals is None:
        return {}
    ends: dict[str, object] = {
        f"{metric}_{name}": value
        for metric, bounds in row.intervals.bounds.items()
        for name, value in zip(("low", "high"), bounds, strict=True)
    }
    made = {"interval_level": row.intervals.level, "interval_method": row.intervals.method}
    return ends | made | {"interval_unit": row.intervals.unit, "interval_resamples": row.intervals.resamples}


def _percent(value: float | None, missing: str = "-") -> str:
    return missing if value is None else f"{value:.2f}"


def _escape(text: str) -> str:
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(special.get(c, "\\" + c if c in "&%$#_{}" else c) for c in text)
