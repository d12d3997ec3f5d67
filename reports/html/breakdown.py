"""Breakdown tables by size, place and predicted class of the anomalies."""

from __future__ import annotations

from dataclasses import dataclass

from oodbench.contracts import Breakdown, RunView
from oodbench.reports.html.sections import Part

_KINDS = {
    "size": ("By size", "share of the frame that an anomaly covers"),
    "place": ("By place", "row of its lowest pixel: on a level road, the lower, the nearer"),
    "class": ("By class", "predicted class of the anomalous pixel"),
}

# Minimum share of the pixels of a class that is shown.
_MIN_SHARE = 0.01


@dataclass(frozen=True)
class BreakdownColumn:
    """A subset of the pixels: its name, and a description of its size."""

    name: str
    about: str


@dataclass(frozen=True)
class BreakdownTable:
    """One table: AP and recall at the thresholds per method; for false positives, their share at each threshold.

    Attributes:
        title, about: Title and description.
        columns: Subsets of the pixels.
        measures: Names of the numbers in each column.
        lines: For each method its name, and per column the numbers as fractions, None if undefined.
    """

    title: str
    about: str
    columns: tuple[BreakdownColumn, ...]
    measures: tuple[str, ...]
    lines: tuple[tuple[str, tuple[tuple[float | None, ...], ...]], ...]


def make_breakdown_tables(run: RunView, part: Part) -> list[BreakdownTable]:
    """Create the breakdown tables of a results table; none if its protocol has no breakdown."""
    breakdowns = {part.name(line): breakdown for line in part.lines if (breakdown := run.strata(line.row)) is not None}
    if not breakdowns:
        return []
    tables = [_make_anomaly_table(breakdowns, kind) for kind in _KINDS]
    return [table for table in [*tables, _make_mistake_table(breakdowns)] if table.columns]


def _make_anomaly_table(breakdowns: dict[str, Breakdown], kind: str) -> BreakdownTable:
    parts = next(iter(breakdowns.values())).strata
    total = sum(part.pixels for part in parts if part.kind == "size")
    shown = [part for part in parts if part.kind == kind and part.pixels >= _MIN_SHARE * total]
    columns = tuple(
        BreakdownColumn(
            part.name,
            f"{100 * part.pixels / total:.0f} % of pixels"
            + ("" if part.objects is None else f", {part.objects} regions"),
        )
        for part in shown
    )
    lines = []
    for name, breakdown in breakdowns.items():
        groups = {part.name: part for part in breakdown.strata if part.kind == kind}
        cells = [groups.get(column.name) for column in columns]
        lines.append((name, tuple(
            (None, None, None) if cell is None else (cell.ap, cell.recall.get("test"), cell.recall.get("calibrated"))
            for cell in cells
        )))  # fmt: skip
    return BreakdownTable(*_KINDS[kind], columns, ("AP", "recall, test", "recall, calibrated"), tuple(lines))


def _make_mistake_table(breakdowns: dict[str, Breakdown]) -> BreakdownTable:
    parts = next(iter(breakdowns.values())).mistakes
    total = sum(part.pixels for part in parts)
    columns = tuple(
        BreakdownColumn(part.name, f"{100 * part.pixels / total:.0f} % of pixels")
        for part in parts
        if part.pixels >= _MIN_SHARE * total
    )
    lines = []
    for name, breakdown in breakdowns.items():
        calls = {part.name: part.called for part in breakdown.mistakes}
        totals = {which: sum(called.get(which, 0) for called in calls.values()) for which in ("test", "calibrated")}
        lines.append((name, tuple(
            tuple(calls.get(column.name, {}).get(at, 0) / count if count else None for at, count in totals.items())
            for column in columns
        )))  # fmt: skip
    about = "predicted classes of the false positives"
    return BreakdownTable("False positives", about, columns, ("share, test", "share, calibrated"), tuple(lines))
