"""Paired comparison on the same frames: the methods of one run, or the matching results of two runs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Protocol, TypeAlias

from oodbench.contracts import ComparedMethod, Difference, FailedBenchmark, MethodComparison, Result, metric_spec
from oodbench.errors import NotComparableError, UnknownNameError
from oodbench.metrics.resampling.intervals import FEWEST
from oodbench.metrics.resampling.significance import RESAMPLES, PairedSketches, holm_correction, significance_ranks
from oodbench.metrics.resampling.sketches import Sketch
from oodbench.runs.row_matching import describe_differences, match_results, scorer_title
from oodbench.stages.sketches import resampling_unit

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
        reference: Name or label of the method to compare the others with, followed by ` / NETWORK` if the run has
            several networks. None: compare all pairs.
        metrics: Names of the metrics; empty: all metrics of the sketches.
        resamples: Number of bootstrap resamples.

    Returns:
        One comparison per benchmark, protocol and metric.

    Raises:
        UnknownNameError: The reference, or a metric, is in none of the results.
        NotComparableError: No benchmark has two results that can be compared.
        NotStoredError: A sketch is not stored and can't be rebuilt.
    """
    parts: dict[tuple[str, str], list[Result]] = {}
    for result in run.results:
        parts.setdefault((result.benchmark, result.protocol.name), []).append(result)
    comparisons: list[MethodComparison] = []
    reasons = []
    for (benchmark, protocol), results in parts.items():
        # Look the reference up first, so that an unknown name raises before anything is computed.
        at = None if reference is None else _find_reference(results, reference)
        sketches, left_out = _load_sketches(run, results)
        kept = [result for result, sketch in zip(results, sketches, strict=True) if sketch is not None]
        if len(kept) < 2:
            reasons += [
                f"{benchmark} ({protocol}): {reason.removeprefix(f'{benchmark}: ')}"
                for reason in left_out or ["it has only one result"]
            ]
            continue
        if at is not None and results[at] not in kept:
            reasons.append(f"{benchmark} ({protocol}): the reference is left out: {'; '.join(left_out)}")
            continue
        paired = PairedSketches([sketch for sketch in sketches if sketch is not None], run.seed, resamples)
        chosen = None if at is None else kept.index(results[at])
        for metric in _select_metrics(paired, metrics):
            lines = (
                _compare_with_reference(paired, kept, metric, chosen)
                if chosen is not None
                else _compare_all_pairs(paired, kept, metric)
            )
            if lines is not None:
                comparisons.append(_make_comparison(run, results[0], metric, resamples, *lines, left_out))
    if not comparisons:
        raise NotComparableError(
            f"{run.location}: nothing to compare",
            reasons,
            f"Evaluate at least two scorers on one benchmark, with at least {FEWEST} frames or groups.",
        )
    return comparisons


def compare_runs(
    first: ComparableRun, second: ComparableRun, metrics: Sequence[str] = (), resamples: int = RESAMPLES
) -> list[MethodComparison]:
    """Compare the matching results of two runs; differences are the second run minus the first.

    Results match if method, parameters and benchmark are the same. The network must be the same, too, unless each
    run has a single one.

    Args:
        first: The run to compare with.
        second: The run that is compared.
        metrics: Names of the metrics; empty: all metrics of the sketches.
        resamples: Number of bootstrap resamples.

    Raises:
        NotComparableError: Matching results differ in frames, protocol or scoring, or no results match.
        UnknownNameError: A metric is in none of the results.
        NotStoredError: A sketch is not stored and can't be rebuilt.
    """
    pairs, only = match_results(first.results, second.results)
    failed = [f"{run.location}: {failure}" for run in (first, second) for failure in run.failed]
    only += failed
    reasons = [reason for ours, theirs in pairs for reason in describe_differences(ours, theirs)]
    if reasons or not pairs:
        raise NotComparableError(
            f"{second.location} can't be compared with {first.location}",
            dict.fromkeys(reasons or only or ["neither run has results"]),
            "Make both runs on the same frames, with the same --upsample and --resize, and compare them under one "
            "protocol: oodbench evaluate RUN --protocol NAME.",
        )
    comparisons = []
    parts: dict[tuple[str, str], list[tuple[Result, Result]]] = {}
    for pair in pairs:
        parts.setdefault((pair[0].benchmark, pair[0].protocol.name), []).append(pair)
    reasons = list(failed)
    for part in parts.values():
        old, left_out_first = _load_sketches(first, [ours for ours, _ in part])
        new, left_out_second = _load_sketches(second, [theirs for _, theirs in part])
        kept = [
            (result, a, b) for (_, result), a, b in zip(part, old, new, strict=True) if a is not None and b is not None
        ]
        left_out = list(dict.fromkeys([*left_out_first, *left_out_second]))
        reasons += left_out
        if not kept:
            continue
        count = len(kept)
        paired = PairedSketches([a for _, a, _ in kept] + [b for _, _, b in kept], first.seed, resamples)
        for metric in _select_metrics(paired, metrics):
            differences = {
                i: paired.difference(i, count + i, metric)
                for i in range(count)
                if not math.isnan(paired.value(i, metric) + paired.value(count + i, metric))
            }
            corrected = dict(zip(differences, holm_correction([d.p for d in differences.values()]), strict=True))
            entries = [
                _make_entry(paired, kept[i][0], count + i, metric, None, difference, corrected[i])
                for i, difference in differences.items()
            ]
            notes = [*left_out, *only]
            comparisons.append(
                _make_comparison(
                    second, kept[0][0], metric, resamples, entries, "first run", len(differences), (), notes
                )
            )
    if not comparisons:
        raise NotComparableError(
            f"{first.location}, {second.location}: nothing to compare", reasons, "Use more frames."
        )
    return comparisons


# Entries, title of the reference, number of comparisons, significantly different pairs.
_Lines: TypeAlias = tuple[list[ComparedMethod], str, int, tuple[tuple[int, int], ...]]


def _compare_all_pairs(paired: PairedSketches, results: Sequence[Result], metric: str) -> _Lines | None:
    sign = metric_spec(metric).sign
    defined = [index for index in range(len(results)) if not math.isnan(paired.value(index, metric))]
    if len(defined) < 2:
        return None
    order = sorted(defined, key=lambda index: -sign * paired.value(index, metric))
    pairs = list(combinations(range(len(order)), 2))
    differences = {(i, j): paired.difference(order[i], order[j], metric) for i, j in pairs}
    corrected = dict(zip(pairs, holm_correction([differences[pair].p for pair in pairs]), strict=True))
    apart = tuple(pair for pair in pairs if corrected[pair] < LEVEL)
    ranks = significance_ranks(len(order), dict.fromkeys(apart, True))
    entries = [_make_entry(paired, results[order[0]], order[0], metric, ranks[0])]
    entries += [
        _make_entry(paired, results[order[i]], order[i], metric, ranks[i], differences[0, i], corrected[0, i])
        for i in range(1, len(order))
    ]
    return entries, scorer_title(results[order[0]]), len(pairs), apart


def _compare_with_reference(paired: PairedSketches, results: Sequence[Result], metric: str, at: int) -> _Lines | None:
    sign = metric_spec(metric).sign
    others = [i for i in range(len(results)) if i != at and not math.isnan(paired.value(i, metric))]
    if math.isnan(paired.value(at, metric)) or not others:
        return None
    differences = [paired.difference(at, other, metric) for other in others]
    p_values = holm_correction([difference.p for difference in differences])
    entries = [_make_entry(paired, results[at], at, metric, None)]
    entries += [
        _make_entry(paired, results[other], other, metric, None, difference, corrected)
        for other, difference, corrected in zip(others, differences, p_values, strict=True)
    ]
    return sorted(entries, key=lambda entry: -sign * entry.value), scorer_title(results[at]), len(others), ()


def _make_entry(
    paired: PairedSketches,
    result: Result,
    index: int,
    metric: str,
    rank: int | None,
    difference: Difference | None = None,
    corrected: float | None = None,
) -> ComparedMethod:
    return ComparedMethod(
        result.network,
        result.label,
        paired.value(index, metric),
        paired.bounds(index, metric),
        rank,
        difference,
        corrected,
        corrected is not None and corrected < LEVEL,
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


def _load_sketches(run: ComparableRun, results: Sequence[Result]) -> tuple[list[Sketch | None], list[str]]:
    """Return each result's sketch per group of frames (None if it has no usable one), and the reasons for each None."""
    sketches: list[Sketch | None] = []
    reasons = []
    for result in results:
        sketch = run.sketch(result)
        grouped = None if sketch is None else sketch.group(run.groups(result.benchmark))
        if grouped is None:
            reasons.append(f"{scorer_title(result)}: its protocol ({result.protocol.name}) has no sketch per frame")
        elif grouped.units < FEWEST:
            reasons.append(
                f"{result.benchmark}: {grouped.units} independent frames are too few; at least {FEWEST} are needed"
            )
            grouped = None
        sketches.append(grouped)
    return sketches, list(dict.fromkeys(reasons))


def _select_metrics(paired: PairedSketches, wanted: Sequence[str]) -> Iterator[str]:
    for name in wanted:
        if name not in paired.names:
            raise UnknownNameError("metric of a comparison", name, paired.names)
    yield from (name for name in paired.names if not wanted or name in wanted)


def _find_reference(results: Sequence[Result], reference: str) -> int:
    names = [
        {result.method, result.label, scorer_title(result), f"{result.method} / {result.network}"} for result in results
    ]
    matches = [index for index, aliases in enumerate(names) if reference in aliases]
    if len(matches) != 1:
        titles = [scorer_title(result) for result in results]
        raise UnknownNameError("or ambiguous reference", reference, titles)
    return matches[0]
