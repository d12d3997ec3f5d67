"""By size, place and predicted class of the anomaly: tables of a part, from what lies beside its rows."""

from __future__ import annotations

from dataclasses import dataclass

from oodbench.contracts import Breakdown, RunView
from oodbench.reports.html.sections import Part

_KINDS = {
    "size": ("By size", "share of the frame that an anomaly covers"),
    "place": ("By place", "where its lowest pixel stands: on a level road, the lower, the nearer"),
    "class": ("By class", "what the network took the anomalous pixel for"),
}

# Classes with a smaller share of the pixels than this are not shown.
_SHOWN = 0.01


@dataclass(frozen=True)
class BreakdownColumn:
    """A part of the pixels: its name, and how much it is, in words."""

    name: str
    about: str


@dataclass(frozen=True)
class BreakdownTable:
    """One table: for each method AP, and recall at the thresholds; of false positives, their share at each.

    Attributes:
        title, about: what it is.
        columns: the parts of the pixels.
        measures: what the numbers of a column are.
        lines: (method, column by column the numbers as fractions, None where undefined).
    """

    title: str
    about: str
    columns: tuple[BreakdownColumn, ...]
    measures: tuple[str, ...]
    lines: tuple[tuple[str, tuple[tuple[float | None, ...], ...]], ...]


def make_breakdown_tables(run: RunView, part: Part) -> list[BreakdownTable]:
    """The tables of a part; none where its protocol has no strata."""
    found = {part.name(line): known for line in part.lines if (known := run.strata(line.row)) is not None}
    if not found:
        return []
    groups = [_make_anomaly_table(found, kind) for kind in _KINDS]
    return [group for group in [*groups, _make_mistake_table(found)] if group.columns]


def _make_anomaly_table(found: dict[str, Breakdown], kind: str) -> BreakdownTable:
    parts = next(iter(found.values())).strata
    everything = sum(part.pixels for part in parts if part.kind == "size")
    shown = [part for part in parts if part.kind == kind and part.pixels >= _SHOWN * everything]
    columns = tuple(
        BreakdownColumn(
            part.name,
            f"{100 * part.pixels / everything:.0f} % of pixels"
            + ("" if part.objects is None else f", {part.objects} regions"),
        )
        for part in shown
    )
    lines = []
    for name, strata in found.items():
        own = {part.name: part for part in strata.strata if part.kind == kind}
        cells = [own.get(column.name) for column in columns]
        lines.append((name, tuple(
            (None, None, None) if cell is None else (cell.ap, cell.recall.get("test"), cell.recall.get("calibrated"))
            for cell in cells
        )))  # fmt: skip
    return BreakdownTable(*_KINDS[kind], columns, ("AP", "recall, test", "recall, calibrated"), tuple(lines))


def _make_mistake_table(found: dict[str, Breakdown]) -> BreakdownTable:
    parts = next(iter(found.values())).mistakes
    everything = sum(part.pixels for part in parts)
    columns = tuple(
        BreakdownColumn(part.name, f"{100 * part.pixels / everything:.0f} % of pixels")
        for part in parts
        if part.pixels >= _SHOWN * everything
    )
    lines = []
    for name, strata in found.items():
        own = {part.name: part.called for part in strata.mistakes}
        totals = {which: sum(called.get(which, 0) for called in own.values()) for which in ("test", "calibrated")}
        lines.append((name, tuple(
            tuple(own.get(column.name, {}).get(which, 0) / total if total else None for which, total in totals.items())
            for column in columns
        )))  # fmt: skip
    about = "in which predicted classes the false positives lie"
    return BreakdownTable("False positives", about, columns, ("share, test", "share, calibrated"), tuple(lines))
