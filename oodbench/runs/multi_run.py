"""Several runs as one list of rows, in which nothing that differs has one name.

A network of another digest, a benchmark of other frames, a method that scored the same frames otherwise bears the
number of its run: `net#2`. What two runs have in common stands there once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from oodbench.contracts import Result
from oodbench.runs.run import Run


@dataclass(frozen=True)
class MergedResult:
    """A row among those of several runs.

    Attributes:
        row: with names that tell it apart.
        run, own: the run that it is of, and the row there.
    """

    row: Result
    run: Run
    own: Result


def merge_results(runs: Sequence[Run]) -> list[MergedResult]:
    """The rows of all the runs, in their order."""
    named = list(_distinguish_names(runs))
    first: dict[str, Result] = {}
    # Where two runs hold different scores in one place, it is the method of the later run that gets a name of its own.
    differing = {
        (number, row.network, row.label)
        for number, row, _, _ in named
        if first.setdefault(_position(row), row).digests.get("scores") != row.digests.get("scores")
    }
    found: dict[str, MergedResult] = {}
    for number, row, run, own in named:
        if (number, row.network, row.label) in differing:
            row = row.model_copy(update={"label": f"{row.label}#{number}"})
        found.setdefault(_position(row), MergedResult(row, run, own))
    return list(found.values())


def describe_suffixes(runs: Sequence[Run], rows: Sequence[MergedResult]) -> list[str]:
    """What the numbers in the names mean, a line for each run that has any."""
    return [
        f"#{number}: of {run.folder}"
        for number, run in enumerate(runs, 1)
        if any(f"#{number}" in name for it in rows for name in (it.row.label, it.row.network, it.row.benchmark))
    ]


def _distinguish_names(runs: Sequence[Run]) -> Iterator[tuple[int, Result, Run, Result]]:
    """Rows with the names of networks and benchmarks told apart: the number of the run, row, run, row there."""
    networks: dict[str, dict[str, str]] = {}
    benchmarks: dict[str, dict[str, str]] = {}
    for number, run in enumerate(runs, 1):
        for own in run.results:
            changes = {
                "network": _distinct_name(networks, own.network, own.digests.get("network", ""), number),
                "benchmark": _distinct_name(benchmarks, own.benchmark, own.digests.get("data", ""), number),
            }
            yield number, own.model_copy(update=changes), run, own


def _distinct_name(seen: dict[str, dict[str, str]], name: str, digest: str, number: int) -> str:
    """The name itself for the first thing that bears it, and with a number for any other."""
    known = seen.setdefault(name, {})
    return known.setdefault(digest, f"{name}#{number}" if known else name)


def _position(row: Result) -> str:
    """Where a row stands: two rows of one place are the same measurement."""
    return json.dumps(
        [row.network, row.label, row.benchmark, row.scoring.record(), row.protocol.record()], sort_keys=True
    )
