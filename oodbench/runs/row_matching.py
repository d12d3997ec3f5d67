"""Matching of the results of two runs, and the differences between matching results."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from oodbench.contracts import Result


def scorer_title(result: Result) -> str:
    """Return the title of a result's scorer: `METHOD / NETWORK`."""
    return f"{result.label} / {result.network}"


def match_results(first: Sequence[Result], second: Sequence[Result]) -> tuple[list[tuple[Result, Result]], list[str]]:
    """Return the matching results of two runs, and descriptions of the results that only one of them has.

    Results match by method, parameters and benchmark, and by network unless each run has a single one. They match by
    protocol, too, if the runs have a common one for them.
    """
    single = all(len({result.network for result in results}) == 1 for results in (first, second))

    def key(result: Result) -> tuple[str, ...]:
        return (result.label, result.benchmark) if single else (result.network, result.label, result.benchmark)

    ours, theirs = _by_key(first, key), _by_key(second, key)
    pairs, only = [], []
    for place in ours | theirs:
        mine, other = ours.get(place, {}), theirs.get(place, {})
        common = [name for name in mine if name in other]
        pairs += [(mine[name], other[name]) for name in common]
        if mine and other and not common:
            # The pair is reported as a difference in the protocol.
            pairs.append((next(iter(mine.values())), next(iter(other.values()))))
            continue
        for run, results in (("first", mine), ("second", other)):
            only += [
                f"only in the {run} run: {scorer_title(result)}, {result.benchmark}"
                + (f", protocol {name}" if common else "")
                for name, result in results.items()
                if name not in common
            ]
    return pairs, list(dict.fromkeys(only))


def _by_key(
    results: Sequence[Result], key: Callable[[Result], tuple[str, ...]]
) -> dict[tuple[str, ...], dict[str, Result]]:
    """Return the results by their key and the name of their protocol."""
    found: dict[tuple[str, ...], dict[str, Result]] = {}
    for result in results:
        found.setdefault(key(result), {}).setdefault(result.protocol.name, result)
    return found


def describe_differences(first: Result, second: Result) -> list[str]:
    """Describe the differences between two results that prevent a comparison."""
    differences = []
    compared = [("protocol", first.protocol.record(), second.protocol.record())]
    if not (first.scoring.is_external or second.scoring.is_external):
        compared.insert(0, ("scoring", first.scoring.record(), second.scoring.record()))
    for field, ours, theirs in compared:
        differences += [
            f"{field}: {name} is {value} in the first run, {theirs[name]} in the second"
            for name, value in ours.items()
            if value != theirs[name] and name != "source"
        ]
    if first.digests.get("data") != second.digests.get("data"):
        frames = [result.counts["frames"] for result in (first, second)]
        counts = f"{frames[0]} and {frames[1]}" if frames[0] != frames[1] else f"{frames[0]} each, not the same"
        differences.append(f"frames of {first.benchmark}: {counts}")
    return differences


def describe_external(results: Sequence[Result]) -> list[str]:
    """Describe which of the results are external scores, if some are and others are not."""
    external = [scorer_title(result) for result in results if result.scoring.is_external]
    scorings = {result.scoring for result in results if not result.scoring.is_external}
    if not external or not scorings:
        return []
    others = ", ".join(sorted(f"--upsample {scoring.upsample} --resize {scoring.resize}" for scoring in scorings))
    return [f"External scores, whose resolution is not known: {', '.join(dict.fromkeys(external))}. Others: {others}."]
