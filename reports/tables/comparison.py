"""The comparison of methods, before it has the form of a table.

Beside the anomaly metrics stands what the network makes of the classes it knows: mIoU and expected calibration error.
Rows that differ in scoring or protocol don't stand in one table: each combination gets one of its own. What others
published stands below the measured rows, each line with its source and protocol, outside of the ranking.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from oodbench.contracts import HIGHER_IS_BETTER, REQUIREMENT_TITLES, Requirements, Result, RunView
from oodbench.reports.tables.published import PublishedLine, published_lines

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
        protocol: its name; empty where all lines are of others.
        columns: (benchmark, metric) in order, after the in-distribution set with the metrics of the network alone.
        lines: (method, network) -> percentages, None where there is no row or the metric is undefined.
        intervals: (method, network) -> their intervals as text, empty where there is none.
        contamination: (method, network) -> what the method has had.
        notes: what a reader has to know.
        interval_notes: how the intervals were made, and why some are missing.
        published: lines of others, with a cell for each column.
    """

    title: str
    protocol: str
    columns: list[tuple[str, str]]
    lines: dict[tuple[str, str], list[float | None]]
    intervals: dict[tuple[str, str], list[str]]
    contamination: dict[tuple[str, str], Requirements]
    notes: list[str]
    interval_notes: list[str]
    published: list[PublishedLine] = field(default_factory=list)

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
        return bool(self.published) or len({network for _, network in self.lines}) > 1

    @property
    def tells_contamination(self) -> bool:
        """Where no method of the table has had anything, columns that say so are left out."""
        everything = [*self.contamination.values(), *(line.contamination for line in self.published)]
        return any(text != "-" for one in everything for text in one.texts())

    def heads(self) -> list[str]:
        """Of the columns before the numbers."""
        return [
            "Method",
            *(["Network"] if self.names_networks else []),
            *(REQUIREMENT_TITLES.values() if self.tells_contamination else []),
            *(["Source", "Protocol"] if self.published else []),
        ]

    def names(self) -> list[list[str]]:
        """What stands under the heads, for each measured line."""
        return [self._names(*who, self.contamination[who], "measured", self.protocol) for who in self.lines]

    def published_names(self) -> list[list[str]]:
        """The same for each line of others."""
        return [
            self._names(line.method, line.network or "?", line.contamination, line.source, line.protocol or "?")
            for line in self.published
        ]

    def _names(self, method: str, network: str, had: Requirements, source: str, protocol: str) -> list[str]:
        return [
            method,
            *([network] if self.names_networks else []),
            *(had.texts() if self.tells_contamination else []),
            *([source, protocol] if self.published else []),
        ]


def comparison_tables(run: RunView) -> list[ComparisonTable]:
    """One table for each combination of scoring and protocol among the rows.

    Published lines stand below each table that has one of their benchmarks; those on other benchmarks stand in a table
    of their own, the last one.
    """
    groups: dict[tuple[str, str], list[Result]] = {}
    for row in run.rows:
        scored = _SCORED[row.scoring.upsample]
        if row.scoring.resize == "bilinear-aligned":
            scored += ", corner pixels aligned"
        groups.setdefault((scored, row.protocol.name), []).append(row)
    tables = [_table(scored, protocol, rows, run) for (scored, protocol), rows in groups.items()]
    shown = {benchmark for table in tables for benchmark, _ in table.columns}
    elsewhere = [row for row in run.published if row.benchmark not in shown]
    if elsewhere:
        found = dict.fromkeys((row.benchmark, metric) for row in elsewhere for metric in row.metrics)
        order, benchmarks = [*_CLOSED_SET, *HIGHER_IS_BETTER], [row.benchmark for row in elsewhere]
        columns = sorted(found, key=lambda it: (it[1] not in _CLOSED_SET, benchmarks.index(it[0]), order.index(it[1])))
        lines, notes = published_lines(run.published, columns)
        tables.append(ComparisonTable("published alone; percent", "", columns, {}, {}, {}, notes, [], lines))
    return tables


def _table(scored: str, protocol: str, rows: Sequence[Result], run: RunView) -> ComparisonTable:
    quality = run.quality
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
    others, said = published_lines(run.published, columns)
    return ComparisonTable(
        title=f"{scored}; protocol {protocol}; percent",
        protocol=protocol,
        columns=columns,
        lines=lines,
        intervals=intervals,
        contamination={(row.label, row.network): run.contamination(row) for row in rows},
        notes=[counted, *warnings, *undefined, *said],
        interval_notes=_interval_notes(rows),
        published=others,
    )


def _interval_notes(rows: Sequence[Result]) -> list[str]:
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
