"""The comparison of methods, before it has the form of a table.

Beside the anomaly metrics stands what the network makes of the classes it knows: mIoU and expected calibration error.
Rows that differ in scoring or protocol don't stand in one table: each combination gets one of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from oodbench.contracts import HIGHER_IS_BETTER, Row, RunView

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
