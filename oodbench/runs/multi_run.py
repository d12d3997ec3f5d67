"""Merged results of several runs, in which conflicting names get the number of their run, such as `net#2`.

Names conflict if networks have different digests, benchmarks have different frames, or a method gave different scores
on the same frames. A result that several runs share is listed once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from oodbench.contracts import Result
from oodbench.runs.run import Run


@dataclass(frozen=True)
class MergedResult:
    """A result in the merged results of several runs.

    Attributes:
        row: The result with unique names.
        run: The run that it comes from.
        own: The result with its names in that run.
    """

    row: Result
    run: Run
    own: Result


def share_protocols(runs: Sequence[Run]) -> tuple[Run, ...]:
    """Return the runs with results under the same protocols: the requested ones, or those of any run's plan."""
    names = dict.fromkeys(name for run in runs for name in run.protocols)
    names = names or dict.fromkeys(name for run in runs for name in run.record.protocol_names)
    return tuple(run if len(runs) == 1 or run.protocols else replace(run, protocols=tuple(names)) for run in runs)


def merge_results(runs: Sequence[Run]) -> list[MergedResult]:
    """Merge the results of several runs, in the order of the runs."""
    candidates = list(_distinguish_names(runs))
    first: dict[str, Result] = {}
    # If two runs have different scores for one position, the method of the later run gets a new name.
    differing = {
        (number, result.network, result.label)
        for number, result, _, _ in candidates
        if first.setdefault(_position(result), result).digests.get("scores") != result.digests.get("scores")
    }
    merged: dict[str, MergedResult] = {}
    for number, result, run, own in candidates:
        if (number, result.network, result.label) in differing:
            result = result.model_copy(update={"label": f"{result.label}#{number}"})
        merged.setdefault(_position(result), MergedResult(result, run, own))
    return list(merged.values())


def describe_suffixes(runs: Sequence[Run], results: Sequence[MergedResult]) -> list[str]:
    """Explain the run numbers in the names, one line per run whose number is used."""
    names = {name for merged in results for name in (merged.row.label, merged.row.network, merged.row.benchmark)}
    return [
        f"#{number}: {run.folder}" for number, run in enumerate(runs, 1) if any(f"#{number}" in name for name in names)
    ]


def _distinguish_names(runs: Sequence[Run]) -> Iterator[tuple[int, Result, Run, Result]]:
    """Yield the run's number, the result with distinct network and benchmark names, the run, the original result."""
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
    """Return the name for the first digest that has it, and the name with a number for any other digest."""
    names = seen.setdefault(name, {})
    return names.setdefault(digest, f"{name}#{number}" if names else name)


def _position(result: Result) -> str:
    """Return what identifies a measurement: network, method, benchmark, scoring and protocol."""
    return json.dumps(
        [result.network, result.label, result.benchmark, result.scoring.record(), result.protocol.record()],
        sort_keys=True,
    )
