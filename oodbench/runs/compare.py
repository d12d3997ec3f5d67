"""Paired comparison on the same frames: the methods of one run, or the matching results of two runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import NamedTuple, Protocol, TypeAlias

from oodbench.contracts import (
    ComparedMethod,
    Difference,
    FailedBenchmark,
    MethodComparison,
    Result,
    group_comparable,
    metric_spec,
)
from oodbench.errors import NotComparableError, UnknownNameError, UsageError
from oodbench.metrics.protocols import DEFAULT_PROTOCOL
from oodbench.metrics.resampling.intervals import FEWEST
from oodbench.metrics.resampling.significance import RESAMPLES, PairedSketches, holm_correction, significance_ranks
from oodbench.metrics.resampling.sketches import Sketch
from oodbench.runs.row_matching import describe_differences, describe_external, match_results, scorer_title
from oodbench.stages.evaluation.sketches import resampling_unit

_SAME_CONDITIONS = (
    "Make both runs on the same frames, with the same --upsample and --resize, and compare them under one protocol: "
    "oodbench evaluate RUN --protocol NAME."
)
_NO_PAIRS = (
    "Results match by method, network and benchmark. To compare different methods of two runs, name one of them with "
    "--reference."
)
_TWO_SCORERS = "Evaluate at least two scorers on one benchmark."
_MORE_FRAMES = f"Use at least {FEWEST} frames or groups of frames."

LEVEL = 0.05
"""Significance level: a difference with a corrected p-value below it is significant."""


class ComparableRun(Protocol):
    """Interface of a run that can be compared."""

    @property
    def location(self) -> str:
        """The folder of the run, for messages."""

    @property
    def seed(self) -> int:
        """The seed of the resampling."""

    @property
    def results(self) -> Sequence[Result]:
        """The results to compare."""

    @property
    def evaluated(self) -> Sequence[str]:
        """The names of all protocols that have results."""

    @property
    def failed(self) -> Sequence[FailedBenchmark]:
        """The benchmarks that failed."""

    def sketch(self, result: Result) -> Sketch | None:
        """Return the sketch of a result; None if the protocol has none."""

    def groups(self, benchmark: str) -> Sequence[str]:
        """Return the group of each frame of a benchmark."""


def compare_methods(
    run: ComparableRun, reference: str | None = None, metrics: Sequence[str] = (), resamples: int = RESAMPLES
) -> list[MethodComparison]:
    """Compare the methods of a run on each benchmark with paired tests.

    Args:
        run: An evaluated run.
        reference: Name or label of the method to compare the others with. If several networks have it, the methods of
            each network are compared with it on this network; `METHOD / NETWORK` compares all with one. None: compare
            all pairs.
        metrics: Names of the metrics; empty: all metrics of the sketches.
        resamples: Number of bootstrap resamples.

    Returns:
        One comparison per benchmark, protocol and metric, and per network with the reference.

    Raises:
        UnknownNameError: The reference, or a metric, is in none of the results.
        UsageError: Several methods of one network match the reference.
        NotComparableError: No benchmark has two results that can be compared.
        NotStoredError: A sketch is not stored and can't be rebuilt.
    """
    if reference is not None and not _find_references(run.results, reference):
        names = [name for result in run.results for name in _reference_names(result)]
        raise UnknownNameError("reference", reference, names)
    comparisons: list[MethodComparison] = []
    reasons, remedies = [], []
    for (_, protocol), group in group_comparable(run.results).items():
        for benchmark in dict.fromkeys(result.benchmark for result in group):
            families = _make_families([result for result in group if result.benchmark == benchmark], reference)
            obstacles = [] if families else [_Obstacle("it has no result of the reference", _TWO_SCORERS)]
            for family in families:
                compared, left_out = _compare_family(run, family, metrics, resamples)
                comparisons += compared
                obstacles += [] if compared else left_out
            reasons += [f"{benchmark} ({protocol}): {reason.removeprefix(f'{benchmark}: ')}" for reason, _ in obstacles]
            remedies += [obstacle.remedy for obstacle in obstacles]
    if not comparisons:
        raise NotComparableError(
            f"{run.location}: nothing to compare",
            dict.fromkeys(reasons),
            " ".join(dict.fromkeys(remedies)) or _TWO_SCORERS,
        )
    return comparisons


def compare_runs(
    first: ComparableRun,
    second: ComparableRun,
    metrics: Sequence[str] = (),
    resamples: int = RESAMPLES,
    keeps: Callable[[Result], bool] = lambda _: True,
) -> list[MethodComparison]:
    """Compare the matching results of two runs; differences are the second run minus the first.

    Results match if method, parameters and benchmark are the same. The network must be the same, too, unless each
    run has a single one.

    Args:
        first: The run to compare with.
        second: The run that is compared.
        metrics: Names of the metrics; empty: all metrics of the sketches.
        resamples: Number of bootstrap resamples.
        keeps: Function that returns whether a result is compared.

    Raises:
        NotComparableError: Matching results differ in frames, protocol or scoring, or no results match.
        UnknownNameError: A metric is in none of the results.
        NotStoredError: A sketch is not stored and can't be rebuilt.
    """
    pairs, only = match_results(*(list(filter(keeps, run.results)) for run in (first, second)))
    failed = [f"{run.location}: {failure}" for run in (first, second) for failure in run.failed]
    only += failed
    reasons = [reason for ours, theirs in pairs for reason in describe_differences(ours, theirs)]
    if reasons or not pairs:
        raise NotComparableError(
            f"{second.location} can't be compared with {first.location}",
            dict.fromkeys(reasons or only or ["neither run has results"]),
            _SAME_CONDITIONS if reasons else _NO_PAIRS,
        )
    comparisons = []
    parts: dict[tuple[str, str], list[tuple[Result, Result]]] = {}
    for pair in pairs:
        parts.setdefault((pair[0].benchmark, pair[0].protocol.name), []).append(pair)
    obstacles: list[_Obstacle] = []
    for part in parts.values():
        old, left_out_first = _load_sketches(first, [ours for ours, _ in part])
        new, left_out_second = _load_sketches(second, [theirs for _, theirs in part])
        kept = [
            (ours, a, b, theirs)
            for (ours, theirs), a, b in zip(part, old, new, strict=True)
            if a is not None and b is not None
        ]
        left_out = list(dict.fromkeys([*left_out_first, *left_out_second]))
        obstacles += left_out
        if not kept:
            continue
        count = len(kept)
        paired = PairedSketches([a for _, a, _, _ in kept] + [b for _, _, b, _ in kept], first.seed, resamples)
        external = describe_external([result for old_result, _, _, new in kept for result in (old_result, new)])
        for metric in _select_metrics(paired, metrics):
            differences = {
                i: _difference(paired, (i, count + i), (ours, theirs), metric)
                for i, (ours, _, _, theirs) in enumerate(kept)
                if _is_defined(ours, metric) and _is_defined(theirs, metric)
            }
            corrected = dict(zip(differences, holm_correction([d.p for d in differences.values()]), strict=True))
            entries = [
                _make_entry(kept[i][3], metric, None, difference, corrected[i]) for i, difference in differences.items()
            ]
            notes = [*(obstacle.reason for obstacle in left_out), *external, *only]
            comparisons.append(
                _make_comparison(
                    second, kept[0][3], metric, resamples, entries, "first run", len(differences), (), notes
                )
            )
    if not comparisons:
        raise NotComparableError(
            f"{first.location}, {second.location}: nothing to compare",
            dict.fromkeys([*failed, *(obstacle.reason for obstacle in obstacles)]),
            " ".join(dict.fromkeys(obstacle.remedy for obstacle in obstacles)),
        )
    return comparisons


class _Obstacle(NamedTuple):
    """Reason why results can't be compared, and the remedy."""

    reason: str
    remedy: str


class _Family(NamedTuple):
    """Results that are compared in one table, and the one with which the others are compared; None: all pairs."""

    results: Sequence[Result]
    reference: Result | None


def _make_families(results: Sequence[Result], reference: str | None) -> list[_Family]:
    """Divide the results on one benchmark into families: one, or one per network that has the reference."""
    if reference is None:
        return [_Family(results, None)]
    found = _find_references(results, reference)
    if len(found) == 1:
        return [_Family(results, found[0])]
    titles = [scorer_title(result) for result in found]
    if len({result.network for result in found}) < len(found):
        raise UsageError(
            f"--reference {reference}: several methods have this name: {', '.join(titles)}", "Give one of these titles."
        )
    return [
        _Family([result for result in results if result.network == one.network or result.scoring.is_external], one)
        for one in found
    ]


def _compare_family(
    run: ComparableRun, family: _Family, metrics: Sequence[str], resamples: int
) -> tuple[list[MethodComparison], list[_Obstacle]]:
    """Return the comparison in each metric, and the reasons why results, or all of them, are left out."""
    sketches, left_out = _load_sketches(run, family.results)
    usable = [(result, sketch) for result, sketch in zip(family.results, sketches, strict=True) if sketch is not None]
    kept = [result for result, _ in usable]
    if family.reference is not None and family.reference not in kept:
        return [], [_Obstacle(f"the reference is left out: {reason}", remedy) for reason, remedy in left_out]
    if len(kept) < 2:
        return [], left_out or [_Obstacle("it has only one result", _TWO_SCORERS)]
    paired = PairedSketches([sketch for _, sketch in usable], run.seed, resamples)
    notes = [*(obstacle.reason for obstacle in left_out), *describe_external(kept)]
    comparisons = []
    for metric in _select_metrics(paired, metrics):
        lines = (
            _compare_all_pairs(paired, kept, metric)
            if family.reference is None
            else _compare_with_reference(paired, kept, metric, kept.index(family.reference))
        )
        if lines is not None:
            comparisons.append(_make_comparison(run, kept[0], metric, resamples, *lines, notes))
    return comparisons, left_out


# Entries, title of the reference, number of comparisons, significantly different pairs.
_Lines: TypeAlias = tuple[list[ComparedMethod], str, int, tuple[tuple[int, int], ...]]


def _compare_all_pairs(paired: PairedSketches, results: Sequence[Result], metric: str) -> _Lines | None:
    sign = metric_spec(metric).sign
    defined = [index for index, result in enumerate(results) if _is_defined(result, metric)]
    if len(defined) < 2:
        return None
    order = sorted(defined, key=lambda index: -sign * _value(results[index], metric))
    ordered = [results[index] for index in order]
    pairs = list(combinations(range(len(order)), 2))
    differences = {
        (i, j): _difference(paired, (order[i], order[j]), (ordered[i], ordered[j]), metric) for i, j in pairs
    }
    corrected = dict(zip(pairs, holm_correction([differences[pair].p for pair in pairs]), strict=True))
    apart = tuple(pair for pair in pairs if corrected[pair] < LEVEL)
    ranks = significance_ranks(len(order), dict.fromkeys(apart, True))
    entries = [_make_entry(ordered[0], metric, ranks[0])]
    entries += [
        _make_entry(ordered[i], metric, ranks[i], differences[0, i], corrected[0, i]) for i in range(1, len(order))
    ]
    return entries, scorer_title(ordered[0]), len(pairs), apart


def _compare_with_reference(paired: PairedSketches, results: Sequence[Result], metric: str, at: int) -> _Lines | None:
    sign = metric_spec(metric).sign
    others = [i for i, result in enumerate(results) if i != at and _is_defined(result, metric)]
    if not _is_defined(results[at], metric) or not others:
        return None
    differences = [_difference(paired, (at, other), (results[at], results[other]), metric) for other in others]
    p_values = holm_correction([difference.p for difference in differences])
    entries = [_make_entry(results[at], metric, None)]
    entries += [
        _make_entry(results[other], metric, None, difference, corrected)
        for other, difference, corrected in zip(others, differences, p_values, strict=True)
    ]
    return sorted(entries, key=lambda entry: -sign * entry.value), scorer_title(results[at]), len(others), ()


def _value(result: Result, metric: str) -> float:
    """Return the metric, which is the midpoint of its bracket if it has one; NaN if it is undefined."""
    value = result.metrics.get(metric)
    return math.nan if value is None else value


def _is_defined(result: Result, metric: str) -> bool:
    return not math.isnan(_value(result, metric))


def _difference(
    paired: PairedSketches, indices: tuple[int, int], results: tuple[Result, Result], metric: str
) -> Difference:
    """Return the difference of the metrics of two results, with interval and p-value from their sketches."""
    first, second = (_value(result, metric) for result in results)
    return replace(paired.difference(*indices, metric), value=second - first)


def _make_entry(
    result: Result,
    metric: str,
    rank: int | None,
    difference: Difference | None = None,
    corrected: float | None = None,
) -> ComparedMethod:
    return ComparedMethod(
        result.network,
        result.label,
        _value(result, metric),
        result.intervals.bounds.get(metric) if result.intervals else None,
        rank,
        difference,
        corrected,
        corrected is not None and corrected < LEVEL,
        result.brackets.get(metric),
    )


def _make_comparison(
    run: ComparableRun,
    result: Result,
    metric: str,
    resamples: int,
    entries: Sequence[ComparedMethod],
    reference: str,
    comparisons: int,
    apart: tuple[tuple[int, int], ...],
    left_out: Sequence[str],
) -> MethodComparison:
    unit, units = resampling_unit(run.groups(result.benchmark))
    name = result.protocol.name
    return MethodComparison(
        result.benchmark,
        name,
        metric,
        unit,
        units,
        resamples,
        reference,
        comparisons,
        tuple(entries),
        tuple(left_out),
        apart,
    )


def _load_sketches(run: ComparableRun, results: Sequence[Result]) -> tuple[list[Sketch | None], list[_Obstacle]]:
    """Return each result's sketch per group of frames (None if it has no usable one), and the reasons for each None."""
    sketches: list[Sketch | None] = []
    obstacles = []
    for result in results:
        sketch = run.sketch(result)
        grouped = None if sketch is None else sketch.group(run.groups(result.benchmark))
        if grouped is None:
            remedy = f"Compare under a protocol that has sketches: --protocol {DEFAULT_PROTOCOL}"
            if DEFAULT_PROTOCOL not in run.evaluated:
                remedy += f", after: oodbench evaluate RUN --protocol {DEFAULT_PROTOCOL}"
            problem = f"protocol {result.protocol.name} has no sketch per frame, which the comparison needs"
            obstacles.append(_Obstacle(f"{result.benchmark}: {problem}", f"{remedy}."))
        elif grouped.units < FEWEST:
            few = f"too few independent frames: {grouped.units}; at least {FEWEST} are needed"
            obstacles.append(_Obstacle(f"{result.benchmark}: {few}", _MORE_FRAMES))
            grouped = None
        sketches.append(grouped)
    return sketches, list(dict.fromkeys(obstacles))


def _select_metrics(paired: PairedSketches, wanted: Sequence[str]) -> Iterator[str]:
    for name in wanted:
        if name not in paired.names:
            raise UnknownNameError("metric of a comparison", name, paired.names)
    yield from (name for name in paired.names if not wanted or name in wanted)


def _reference_names(result: Result) -> set[str]:
    """Return the names by which `--reference` selects a result."""
    return {result.method, result.label, scorer_title(result), f"{result.method} / {result.network}"}


def _find_references(results: Sequence[Result], reference: str) -> list[Result]:
    """Return the results that a reference selects."""
    return [result for result in results if reference in _reference_names(result)]
