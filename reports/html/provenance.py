"""Provenance of each number: everything that its result records, as lists with headings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from oodbench.contracts import MethodCard, Result

ProvenanceFacts = list[tuple[str, list[tuple[str, str]]]]
"""(heading, [(name, value)]) per group."""


def list_provenance(row: Result, card: MethodCard | None) -> ProvenanceFacts:
    """List the provenance of one result, without empty groups."""
    paper = {} if card is None else {"paper": card.paper, "URL": card.url, "version of the method": card.version}
    intervals = {} if row.intervals is None else {
        "method": row.intervals.title, "independent units": row.intervals.units, **{
            f"no interval for {metric}": reason for metric, reason in row.intervals.undefined.items()}}  # fmt: skip
    groups: dict[str, Mapping[str, Any]] = {
        "Method": {"name": row.method, **row.params, **paper},
        "Network and data": {
            "network": row.network, "benchmark": row.benchmark, "layout": row.layout, "seed": row.seed,
        },
        "Numbers, as fractions": {
            name: _describe_number(row, name) for name, value in row.metrics.items() if value is not None
        },
        "Counts": row.counts,
        "Protocol": row.protocol.record(),
        "Scoring": row.scoring.record(),
        "Intervals": intervals,
        "Components": row.components,
        "Fit": row.fit,
        "Cost, medians per frame": row.cost.record(),
        "Environment": row.environment,
        "SHA-256": row.digests,
        "Warnings": {str(number): warning for number, warning in enumerate(row.warnings, 1)},
    }  # fmt: skip
    return [(heading, facts) for heading, content in groups.items() if (facts := list(_iter_facts(content)))]


def _describe_number(row: Result, metric: str) -> object:
    """Return a metric, or its bracket and the width."""
    if metric not in row.brackets:
        return row.metrics[metric]
    low, high = row.brackets[metric]
    return f"[{low!r}, {high!r}], {row.bracket_widths[metric]:.2g} wide"


def _iter_facts(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in content.items():
        title = f"{prefix}{name}".replace("_", " ")
        if isinstance(value, Mapping):
            yield from _iter_facts(value, f"{title}, ")
        elif value is not None and value != "" and value != []:
            yield title, ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
