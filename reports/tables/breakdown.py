"""Detected anomalies by size, place and predicted class; false positives by predicted class; calibrated thresholds.

The text and the HTML page share this model of the tables. The lower bound of AP for a group of anomalies is the group's
share of the pixels. So compare the AP of different methods within a column, not of one method across columns. Recall
can be compared in both directions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from typing_extensions import override

from oodbench.contracts import Breakdown, BreakdownThreshold, ReportCard, RunView
from oodbench.reports.tables.formats import TextReport

PLUGINS = {
    "reports": {"breakdown": ("BreakdownText", "results by size, place and class of the anomaly, and thresholds")}
}

BreakdownKind: TypeAlias = Literal["size", "place", "class", "false positives"]

_TITLES: Mapping[BreakdownKind, str] = {
    "size": "By the size of the anomaly, as a share of the frame",
    "place": "By the lowest pixel of the anomaly, from the top of the frame",
    "class": "By the class that the network predicts for the anomaly",
    "false positives": "False positives by predicted class",
}
_THRESHOLDS = ("test", "calibrated")
# Groups with a smaller share of the pixels are not shown.
_SMALLEST_SHARE = 0.01


@dataclass(frozen=True)
class BreakdownColumn:
    """A group of the pixels.

    Attributes:
        name: Its name.
        about: Its size, in words.
    """

    name: str
    about: str


@dataclass(frozen=True)
class BreakdownTable:
    """A table of several methods under one division of the pixels.

    Attributes:
        kind: The division of the pixels.
        columns: The groups of pixels that are large enough to show.
        lines: Pairs of a method and its numbers by column, as fractions; None if undefined. For anomalies the numbers
            are AP, recall at the threshold of the test labels and recall at the calibrated one. For false positives
            they are the share of all false positives at the two thresholds.
    """

    kind: BreakdownKind
    columns: tuple[BreakdownColumn, ...]
    lines: tuple[tuple[str, tuple[tuple[float | None, ...], ...]], ...]


def breakdown_tables(breakdowns: Mapping[str, Breakdown]) -> list[BreakdownTable]:
    """Return the breakdown tables that have at least one column.

    Args:
        breakdowns: The breakdown of each method, by the name of its line; at least one, all of one benchmark.
    """
    kinds: tuple[Literal["size", "place", "class"], ...] = ("size", "place", "class")
    tables = [*(_anomalies(breakdowns, kind) for kind in kinds), _false_positives(breakdowns)]
    return [table for table in tables if table.columns]


def _anomalies(breakdowns: Mapping[str, Breakdown], kind: Literal["size", "place", "class"]) -> BreakdownTable:
    groups = next(iter(breakdowns.values())).groups
    total = sum(group.pixels for group in groups if group.kind == "size")
    columns = tuple(
        BreakdownColumn(
            group.name,
            _share_of_pixels(group.pixels, total) + ("" if group.objects is None else f", {group.objects} regions"),
        )
        for group in groups
        if group.kind == kind and group.pixels >= _SMALLEST_SHARE * total
    )
    lines = []
    for name, breakdown in breakdowns.items():
        by_name = {group.name: group for group in breakdown.groups if group.kind == kind}
        cells: list[tuple[float | None, ...]] = []
        for column in columns:
            group = by_name.get(column.name)
            recalls = [None if group is None else group.recall.get(threshold) for threshold in _THRESHOLDS]
            cells.append((None if group is None else group.ap, *recalls))
        lines.append((name, tuple(cells)))
    return BreakdownTable(kind, columns, tuple(lines))


def _false_positives(breakdowns: Mapping[str, Breakdown]) -> BreakdownTable:
    classes = next(iter(breakdowns.values())).false_alarms
    total = sum(part.pixels for part in classes)
    columns = tuple(
        BreakdownColumn(part.name, _share_of_pixels(part.pixels, total))
        for part in classes
        if part.pixels >= _SMALLEST_SHARE * total
    )
    lines = []
    for name, breakdown in breakdowns.items():
        called = {part.name: part.called for part in breakdown.false_alarms}
        totals = {threshold: sum(counts.get(threshold, 0) for counts in called.values()) for threshold in _THRESHOLDS}
        cells = tuple(
            tuple(
                called.get(column.name, {}).get(threshold, 0) / count if count else None
                for threshold, count in totals.items()
            )
            for column in columns
        )
        lines.append((name, cells))
    return BreakdownTable("false positives", columns, tuple(lines))


def _share_of_pixels(pixels: int, total: int) -> str:
    return f"{100 * pixels / total:.0f} % of pixels"


class BreakdownText(TextReport):
    """The tables as plain text, for each benchmark, protocol and network, with a line per method."""

    card = ReportCard("breakdown", "Results by size, place and class", text=True)
    file = "breakdown.txt"

    @override
    def text(self, run: RunView) -> str:
        parts, without = [], []
        for place in dict.fromkeys((result.benchmark, result.protocol.name, result.network) for result in run.results):
            results = [
                result for result in run.results if (result.benchmark, result.protocol.name, result.network) == place
            ]
            breakdowns = {
                result.label: breakdown for result in results if (breakdown := run.breakdown(result)) is not None
            }
            heading = f"{place[0]}, protocol {place[1]}, network {place[2]}"
            if len(breakdowns) < len(results):
                without.append(f"{heading}: {len(results) - len(breakdowns)} results have no breakdown.")
            if breakdowns:
                parts += [f"{heading}\n{'=' * len(heading)}", _format_thresholds(breakdowns)]
                parts += [_format_table(table) for table in breakdown_tables(breakdowns)]
        return "\n\n".join(filter(None, [*parts, "\n".join([*without, *run.notes])])) + "\n"


def _format_thresholds(breakdowns: Mapping[str, Breakdown]) -> str:
    heads = ["", "score", "FPR", "recall", "score", "FPR", "recall"]
    body = []
    titles: dict[str, str] = {}
    for name, breakdown in breakdowns.items():
        cells = [name]
        by_name: dict[str, BreakdownThreshold] = {threshold.name: threshold for threshold in breakdown.thresholds}
        titles |= {threshold.name: threshold.title for threshold in breakdown.thresholds}
        for which in _THRESHOLDS:
            threshold = by_name.get(which)
            if threshold is None:
                cells += ["-"] * 3
            else:
                cells += [f"{threshold.score:.4g}", _percent(threshold.fpr), _percent(threshold.recall)]
        body.append(cells)
    about = "; ".join(f"{which}: {title}" for which, title in titles.items())
    title = f"Thresholds: the first three columns on the test labels, the others calibrated ({about})"
    return _tabulate(title, heads, body)


def _format_table(table: BreakdownTable) -> str:
    anomalies = "AP / recall at the threshold of the test labels / at the calibrated threshold"
    mistakes = "share at the threshold of the test labels / at the calibrated threshold"
    measures = mistakes if table.kind == "false positives" else anomalies
    heads = ["", *(f"{column.name}\n{column.about}" for column in table.columns)]
    body = [[name, *(" / ".join(map(_percent, numbers)) for numbers in cells)] for name, cells in table.lines]
    return _tabulate(f"{_TITLES[table.kind]}: {measures}", heads, body)


def _tabulate(title: str, heads: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    from tabulate import tabulate

    align = ["left"] + ["right"] * (len(heads) - 1)
    table: str = tabulate(body, heads, "simple", disable_numparse=True, colalign=align)
    return f"{title}; percent\n{table}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"
