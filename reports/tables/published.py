"""Published numbers as lines of a table. Different sources of one method on one network share a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oodbench.contracts import PublishedResult, Requirements, metric_spec

UNCONFIRMED = "?"
"""Mark of a number that was recalled and is not yet found in its source."""


@dataclass(frozen=True)
class PublishedLine:
    """One line of published numbers.

    Attributes:
        method, network, protocol: Names as in the sources; empty where the sources have none.
        source: The sources in a few words.
        requirements: What the method needs in addition to the network.
        cells: Text per column: percent; several numbers where sources differ; empty where there is none.
    """

    method: str
    network: str
    protocol: str
    source: str
    requirements: Requirements
    cells: list[str]


def published_lines(
    rows: Sequence[PublishedResult], columns: Sequence[tuple[str, str]]
) -> tuple[list[PublishedLine], list[str]]:
    """Return the lines with at least one anomaly metric, and their notes.

    Results of one method, network and protocol share a line. A source without a protocol never shares a line with one
    that has a protocol.

    Args:
        rows: The published results.
        columns: (benchmark, metric) of each column.
    """
    benchmarks = {benchmark for benchmark, metric in columns if metric_spec(metric).group != "closed-set"}
    groups: dict[tuple[str, str, str], list[PublishedResult]] = {}
    for row in rows:
        if any((row.benchmark, metric) in columns for metric in row.metrics):
            groups.setdefault((row.method, row.network, row.protocol), []).append(row)
    lines: list[PublishedLine] = []
    shown: list[PublishedResult] = []
    for (method, network, protocol), group in groups.items():
        if not any(row.benchmark in benchmarks for row in group):
            continue
        # How well the network segments doesn't depend on how anomalies were measured.
        quality = [row for row in rows if _is_quality(row) and (row.method, row.network) == (method, network)]
        group = [*group, *(row for row in quality if row not in group)]
        cells = [_cell(group, column) for column in columns]
        used = [row for row in group if any((row.benchmark, metric) in columns for metric in row.metrics)]
        source = ", ".join(dict.fromkeys(row.source for row in used))
        lines.append(PublishedLine(method, network, protocol, source, group[0].requirements, cells))
        shown += used
    return lines, _notes(shown, lines)


def _is_quality(row: PublishedResult) -> bool:
    """Whether a published result is of closed-set quality."""
    return any(metric_spec(metric).group == "closed-set" for metric in row.metrics)


def _cell(rows: Sequence[PublishedResult], column: tuple[str, str]) -> str:
    """Format the published value. Values that differ are joined; a value is confirmed if any source confirms it."""
    benchmark, metric = column
    confirmed: dict[str, bool] = {}
    for row in rows:
        if row.benchmark == benchmark and metric in row.metrics:
            text = metric_spec(metric).format(row.metrics[metric])
            confirmed[text] = confirmed.get(text, False) or row.confirmed
    return " / ".join(text + ("" if sure else UNCONFIRMED) for text, sure in confirmed.items())


def _notes(rows: Sequence[PublishedResult], lines: Sequence[PublishedLine]) -> list[str]:
    if not rows:
        return []
    notes = [
        "Published lines are of others: on the network and by the protocol that they name, and outside of the ranking."
    ]
    if any(UNCONFIRMED in cell for line in lines for cell in line.cells):
        notes.append(f"{UNCONFIRMED} behind a number: unconfirmed, recalled and not found in the source yet.")
    return [*notes, *dict.fromkeys(f"{row.source}: {row.reference}." for row in rows), *_differences(rows)]


def _differences(rows: Sequence[PublishedResult]) -> list[str]:
    """Return a note for each number on which sources differ."""
    said: dict[tuple[str, str, str, str, str], dict[str, list[str]]] = {}
    for row in rows:
        for metric, value in row.metrics.items():
            place = (row.method, row.network, row.protocol, row.benchmark, metric)
            said.setdefault(place, {}).setdefault(metric_spec(metric).format(value), []).append(row.source)
    return [
        f"{method} on {benchmark}: {metric} is "
        + ", ".join(f"{value} by {' and '.join(sources)}" for value, sources in values.items())
        + "."
        for (method, _, _, benchmark, metric), values in said.items()
        if len(values) > 1
    ]
