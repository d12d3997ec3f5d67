"""Runs side by side: the methods of one run, or the same rows of two, on the same frames."""

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
"""Differences with a corrected p below this are called significant."""


class ComparableRun(Protocol):
    """What a comparison reads of a run."""

    @property
    def location(self) -> str: ...

    @property
    def seed(self) -> int: ...

    @property
    def results(self) -> Sequence[Result]: ...

    @property
    def failed(self) -> Sequence[FailedBenchmark]: ...

    def sketch(self, row: Result) -> Sketch | None:
        """Return the sketch of a result; None if its protocol allows none."""

    def groups(self, benchmark: str) -> Sequence[str]:
        """Return the group of each frame."""


def compare_methods(
    run: ComparableRun, reference: str | None = None, metrics: Sequence[str] = (), resamples: int = RESAMPLES
) -> list[MethodComparison]:
    """The rows of a run on each benchmark, all pairs, or each with the reference alone.

    Args:
        run: a run that was evaluated.
        reference: a method, as its name or label in the rows, with ` / network` where there are several networks.
        metrics: those wanted; all that sketches have where none is named.
        resamples: how often frames are resampled.

    Raises:
        UnknownNameError: the reference, or a metric, is in none of the rows.
        NotComparableError: no benchmark has two rows that can be compared.
        NotStoredError: a sketch is not there and can't be made again.
    """
    parts: dict[tuple[str, str], list[Result]] = {}
    for row in run.results:
        parts.setdefault((row.benchmark, row.protocol.name), []).append(row)
    tables: list[MethodComparison] = []
    reasons = []
    for (benchmark, protocol), rows in parts.items():
        # Before anything is computed: a reference that does not exist is in no table.
        at = None if reference is None else _find_reference(rows, reference)
        sketches, left_out = _load_sketches(run, rows)
        kept = [row for row, sketch in zip(rows, sketches, strict=True) if sketch is not None]
        if len(kept) < 2:
            reasons += [f"{benchmark} ({protocol}): {reason}" for reason in left_out or ["a single row"]]
            continue
        if at is not None and rows[at] not in kept:
            reasons.append(f"{benchmark} ({protocol}): the reference is left out: {'; '.join(left_out)}")
            continue
        paired = PairedSketches([sketch for sketch in sketches if sketch is not None], run.seed, resamples)
        chosen = None if at is None else kept.index(rows[at])
        for metric in _select_metrics(paired, metrics):
            lines = (
                _compare_with_reference(paired, kept, metric, chosen)
                if chosen is not None
                else _compare_all_pairs(paired, kept, metric)
            )
            if lines is not None:
                tables.append(_make_comparison(run, rows[0], metric, resamples, *lines, left_out))
    if not tables:
        raise NotComparableError(f"{run.location}: nothing to compare", reasons, "Compare two rows on one benchmark.")
    return tables


def compare_runs(
    first: ComparableRun, second: ComparableRun, metrics: Sequence[str] = (), resamples: int = RESAMPLES
) -> list[MethodComparison]:
    """The same rows of two runs: what the second has more than the first.

    Rows are the same by method, parameters and benchmark, and by network unless each run has a single one.

    Raises:
        NotComparableError: rows that are the same differ in frames, protocol or scoring, or there are none.
        UnknownNameError, NotStoredError: as `compare_methods`.
    """
    pairs, only = match_results(first.results, second.results)
    failed = [f"{run.location}: {failure}" for run in (first, second) for failure in run.failed]
    only += failed
    reasons = [reason for ours, theirs in pairs for reason in describe_differences(ours, theirs)]
    if reasons or not pairs:
        raise NotComparableError(
            f"{second.location} can't be compared with {first.location}",
            dict.fromkeys(reasons or only or ["neither has rows"]),
            "Make both runs on the same frames, with the same --upsample and --resize, and compare them under one "
            "protocol: oodbench evaluate RUN --protocol NAME.",
        )
    tables = []
    parts: dict[tuple[str, str], list[tuple[Result, Result]]] = {}
    for pair in pairs:
        parts.setdefault((pair[0].benchmark, pair[0].protocol.name), []).append(pair)
    why = list(failed)
    for rows in parts.values():
        old, left_out = _load_sketches(first, [ours for ours, _ in rows])
        new, also = _load_sketches(second, [theirs for _, theirs in rows])
        kept = [(row, a, b) for (_, row), a, b in zip(rows, old, new, strict=True) if a is not None and b is not None]
        left_out = list(dict.fromkeys([*left_out, *also]))
        why += left_out
        if not kept:
            continue
        count = len(kept)
        paired = PairedSketches([a for _, a, _ in kept] + [b for _, _, b in kept], first.seed, resamples)
        for metric in _select_metrics(paired, metrics):
            found = {
                i: paired.difference(i, count + i, metric)
                for i in range(count)
                if not math.isnan(paired.value(i, metric) + paired.value(count + i, metric))
            }
            corrected = dict(zip(found, holm_correction([difference.p for difference in found.values()]), strict=True))
            entries = [
                _make_entry(paired, kept[i][0], count + i, metric, None, difference, corrected[i])
                for i, difference in found.items()
            ]
            tables.append(
                _make_comparison(
                    second, kept[0][0], metric, resamples, entries, "first run", len(found), (), [*left_out, *only]
                )
            )
    if not tables:
        raise NotComparableError(f"{first.location}, {second.location}: nothing to compare", why, "Use more frames.")
    return tables


# Entries, the reference, how many comparisons, the pairs that are apart.
_Lines: TypeAlias = tuple[list[ComparedMethod], str, int, tuple[tuple[int, int], ...]]


def _compare_all_pairs(paired: PairedSketches, rows: Sequence[Result], metric: str) -> _Lines | None:
    sign = metric_spec(metric).sign
    there = [index for index in range(len(rows)) if not math.isnan(paired.value(index, metric))]
    if len(there) < 2:
        return None
    order = sorted(there, key=lambda index: -sign * paired.value(index, metric))
    pairs = list(combinations(range(len(order)), 2))
    found = {(i, j): paired.difference(order[i], order[j], metric) for i, j in pairs}
    corrected = dict(zip(pairs, holm_correction([found[pair].p for pair in pairs]), strict=True))
    apart = tuple(pair for pair in pairs if corrected[pair] < LEVEL)
    place = significance_ranks(len(order), dict.fromkeys(apart, True))
    entries = [_make_entry(paired, rows[order[0]], order[0], metric, place[0])]
    entries += [
        _make_entry(paired, rows[order[i]], order[i], metric, place[i], found[0, i], corrected[0, i])
        for i in range(1, len(order))
    ]
    return entries, scorer_title(rows[order[0]]), len(pairs), apart


def _compare_with_reference(paired: PairedSketches, rows: Sequence[Result], metric: str, at: int) -> _Lines | None:
    sign = metric_spec(metric).sign
    others = [i for i in range(len(rows)) if i != at and not math.isnan(paired.value(i, metric))]
    if math.isnan(paired.value(at, metric)) or not others:
        return None
    found = [paired.difference(at, other, metric) for other in others]
    entries = [_make_entry(paired, rows[at], at, metric, None)]
    entries += [
        _make_entry(paired, rows[other], other, metric, None, difference, corrected)
        for other, difference, corrected in zip(others, found, holm_correction([d.p for d in found]), strict=True)
    ]
    return sorted(entries, key=lambda entry: -sign * entry.value), scorer_title(rows[at]), len(others), ()


def _make_entry(
    paired: PairedSketches,
    row: Result,
    index: int,
    metric: str,
    rank: int | None,
    difference: Difference | None = None,
    corrected: float | None = None,
) -> ComparedMethod:
    return ComparedMethod(
        row.network,
        row.label,
        paired.value(index, metric),
        paired.bounds(index, metric),
        rank,
        difference,
        corrected,
        corrected is not None and corrected < LEVEL,
    )


def _make_comparison(
    run: ComparableRun,
    row: Result,
    metric: str,
    resamples: int,
    entries: Sequence[ComparedMethod],
    reference: str,
    comparisons: int,
    apart: tuple[tuple[int, int], ...],
    left_out: Sequence[str],
) -> MethodComparison:
    unit, units = resampling_unit(run.groups(row.benchmark))
    name = row.protocol.name
    return MethodComparison(
        row.benchmark,
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


def _load_sketches(run: ComparableRun, rows: Sequence[Result]) -> tuple[list[Sketch | None], list[str]]:
    """Of groups of frames; None where a row has none, with the reasons."""
    found: list[Sketch | None] = []
    reasons = []
    for row in rows:
        sketch = run.sketch(row)
        grouped = None if sketch is None else sketch.group(run.groups(row.benchmark))
        if grouped is None:
            reasons.append(f"{scorer_title(row)}: its protocol ({row.protocol.name}) has no sketch of each frame")
        elif grouped.units < FEWEST:
            reasons.append(
                f"{row.benchmark}: {grouped.units} independent frames are too few; at least {FEWEST} are needed"
            )
            grouped = None
        found.append(grouped)
    return found, list(dict.fromkeys(reasons))


def _select_metrics(paired: PairedSketches, wanted: Sequence[str]) -> Iterator[str]:
    for name in wanted:
        if name not in paired.names:
            raise UnknownNameError("metric of a comparison", name, paired.names)
    yield from (name for name in paired.names if not wanted or name in wanted)


def _find_reference(rows: Sequence[Result], reference: str) -> int:
    names = [{row.method, row.label, scorer_title(row), f"{row.method} / {row.network}"} for row in rows]
    at = [index for index, known in enumerate(names) if reference in known]
    if len(at) != 1:
        raise UnknownNameError("reference, or it is in several rows,", reference, [scorer_title(row) for row in rows])
    return at[0]
