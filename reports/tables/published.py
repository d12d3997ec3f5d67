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
        method, network, protocol: Names as in the sources; empty if the sources state none.
        source: Short names of the sources.
        requirements: The training signals of the method.
        cells: Text per column, in percent; several numbers if sources differ; empty if there is none.
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
    """Return the lines that have at least one anomaly metric among the columns, and their notes.

    Results of one method, network and protocol share a line. A source without a protocol never shares a line with one
    that has a protocol.

    Args:
        rows: The published results.
        columns: (benchmark, metric) of each column.
    """
    benchmarks = {benchmark for benchmark, metric in columns if metric_spec(metric).group != "closed-set"}
    groups: dict[tuple[str, str, str], list[PublishedResult]] = {}
    for result in rows:
        if any((result.benchmark, metric) in columns for metric in result.metrics):
            groups.setdefault((result.method, result.network, result.protocol), []).append(result)
    lines: list[PublishedLine] = []
    shown: list[PublishedResult] = []
    for (method, network, protocol), group in groups.items():
        if not any(result.benchmark in benchmarks for result in group):
            continue
        # The closed-set quality of a network does not depend on the protocol for anomalies.
        quality = [
            result for result in rows if _is_quality(result) and (result.method, result.network) == (method, network)
        ]
        group = [*group, *(result for result in quality if result not in group)]
        cells = [_cell(group, column) for column in columns]
        used = [result for result in group if any((result.benchmark, metric) in columns for metric in result.metrics)]
        source = ", ".join(dict.fromkeys(result.source for result in used))
        lines.append(PublishedLine(method, network, protocol, source, group[0].requirements, cells))
        shown += used
    return lines, _notes(shown, lines)


def _is_quality(result: PublishedResult) -> bool:
    """Return whether a published result has closed-set quality."""
    return any(metric_spec(metric).group == "closed-set" for metric in result.metrics)


def _cell(results: Sequence[PublishedResult], column: tuple[str, str]) -> str:
    """Format the published value. Different values are joined; a value is confirmed if any source confirms it."""
    benchmark, metric = column
    confirmed: dict[str, bool] = {}
    for result in results:
        if result.benchmark == benchmark and metric in result.metrics:
            text = metric_spec(metric).format(result.metrics[metric])
            confirmed[text] = confirmed.get(text, False) or result.confirmed
    return " / ".join(text + ("" if is_confirmed else UNCONFIRMED) for text, is_confirmed in confirmed.items())


def _notes(results: Sequence[PublishedResult], lines: Sequence[PublishedLine]) -> list[str]:
    if not results:
        return []
    notes = [
        "Published lines are from other sources, on the network and under the protocol that they name, and not ranked."
    ]
    if any(UNCONFIRMED in cell for line in lines for cell in line.cells):
        notes.append(f"{UNCONFIRMED} after a number: unconfirmed, recalled and not yet found in the source.")
    references = dict.fromkeys(f"{result.source}: {result.reference}." for result in results)
    return [*notes, *references, *_differences(results)]


def _differences(results: Sequence[PublishedResult]) -> list[str]:
    """Return a note for each number on which sources differ."""
    values_by_key: dict[tuple[str, str, str, str, str], dict[str, list[str]]] = {}
    for result in results:
        for metric, value in result.metrics.items():
            key = (result.method, result.network, result.protocol, result.benchmark, metric)
            by_value = values_by_key.setdefault(key, {})
            by_value.setdefault(metric_spec(metric).format(value), []).append(result.source)
    return [
        f"{method} on {benchmark}: {metric} is "
        + ", ".join(f"{value} by {' and '.join(sources)}" for value, sources in values.items())
        + "."
        for (method, _, _, benchmark, metric), values in values_by_key.items()
        if len(values) > 1
    ]
