"""The same rows of two runs, and in what they differ."""

from __future__ import annotations

from collections.abc import Sequence

from oodbench.contracts import Result


def scorer_title(row: Result) -> str:
    """The method and the network."""
    return f"{row.label} / {row.network}"


def match_results(first: Sequence[Result], second: Sequence[Result]) -> tuple[list[tuple[Result, Result]], list[str]]:
    """Pairs of rows that are the same in two runs, and what only one of them has, in words.

    By method, parameters and benchmark; by network unless each run has a single one.
    """
    single = all(len({row.network for row in rows}) == 1 for rows in (first, second))

    def key(row: Result) -> tuple[str, ...]:
        return (row.label, row.benchmark) if single else (row.network, row.label, row.benchmark)

    pairs, only = [], []
    for row in first:
        same = [other for other in second if key(other) == key(row)]
        # Under several protocols the one of the same name; where there is none, what differs is said of any.
        named = [other for other in same if other.protocol.name == row.protocol.name] or same[:1]
        if named:
            pairs.append((row, named[0]))
        else:
            only.append(f"only in the first run: {scorer_title(row)}, {row.benchmark}")
    keys = {key(row) for row in first}
    only += [f"only in the second run: {scorer_title(row)}, {row.benchmark}" for row in second if key(row) not in keys]
    return pairs, list(dict.fromkeys(only))


def describe_differences(first: Result, second: Result) -> list[str]:
    """Return in what two results differ that have to agree, in words."""
    found = []
    for what, ours, theirs in (
        ("scoring", first.scoring.record(), second.scoring.record()),
        ("protocol", first.protocol.record(), second.protocol.record()),
    ):
        found += [
            f"{what}: {name} is {value} in the first run, {theirs[name]} in the second"
            for name, value in ours.items()
            if value != theirs[name] and name != "source"
        ]
    if first.digests.get("data") != second.digests.get("data"):
        frames = [result.counts["frames"] for result in (first, second)]
        differ = f"{frames[0]} and {frames[1]}" if frames[0] != frames[1] else f"{frames[0]} each, not the same"
        found.append(f"frames of {first.benchmark}: {differ}")
    return found
