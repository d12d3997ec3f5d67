"""Comparison of the selected methods of one run, of two runs result by result, or of all methods of two runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from oodbench.contracts import MethodComparison, Result
from oodbench.errors import NotComparableError
from oodbench.metrics.resampling.significance import RESAMPLES
from oodbench.runs.compare import compare_methods, compare_runs
from oodbench.runs.multi_run import share_protocols
from oodbench.runs.row_matching import match_results, scorer_title
from oodbench.runs.run import Run
from oodbench.runs.selection import ResultSelection, SelectedRun
from oodbench.text import count_noun


def compare_selected(
    runs: Sequence[Run],
    choice: ResultSelection,
    reference: str | None = None,
    metrics: Sequence[str] = (),
    resamples: int = RESAMPLES,
) -> list[MethodComparison]:
    """Compare the selected results of one or two runs.

    Two runs are compared result by result. With a reference, or if one run has external scores of which none has the
    name of a method of the other run, the methods of both runs are compared as those of one.

    Args:
        runs: One run or two.
        choice: The filter for their results.
        reference: The method to compare the others with; None: see above.
        metrics: Names of the metrics; empty: all metrics of the sketches.
        resamples: Number of bootstrap resamples.

    Raises:
        UnknownNameError: A name in the filter, the reference or a metric is in none of the results.
        UsageError: The filter leaves no result, or the reference is ambiguous.
        NotComparableError: There is nothing to compare.
        NotStoredError: A sketch is not stored and can't be rebuilt.
    """
    runs = share_protocols(runs)
    together = SelectedRun(runs, choice)
    selected = together.results if any(run.results for run in runs) else ()
    if len(runs) > 1 and reference is None:
        first, second = runs
        pairs, _ = match_results(*([r for r in run.results if choice.names(r)] for run in runs))
        if pairs or not any(result.scoring.is_external for result in selected):
            return compare_runs(first, second, metrics, resamples, choice.names)
    shared, alone = _find_shared(runs, selected)
    if len(runs) > 1 and not shared:
        raise NotComparableError(
            f"{runs[1].location} can't be compared with {runs[0].location}",
            alone,
            "Evaluate both on the same frames, under one protocol: oodbench evaluate RUN --protocol NAME.",
        )
    tables = compare_methods(together, reference, metrics, resamples)
    if len(runs) == 1:
        return tables
    return [
        replace(table, left_out=(*table.left_out, *alone))
        for table in tables
        if (table.benchmark, table.protocol) in shared
    ]


def _find_shared(runs: Sequence[Run], results: Sequence[Result]) -> tuple[set[tuple[str, str]], list[str]]:
    """Return the benchmarks and protocols that all runs have, and descriptions of the results on other ones."""
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        groups.setdefault((result.benchmark, result.protocol.name), []).append(result)
    shared, alone = set(), []
    for (benchmark, protocol), group in groups.items():
        data = group[0].digests.get("data")
        having = [
            run.location
            for run in runs
            if any(own.digests.get("data") == data and own.protocol.name == protocol for own in run.results)
        ]
        if len(having) == len(runs):
            shared.add((benchmark, protocol))
        else:
            names = ", ".join(map(scorer_title, group))
            frames = count_noun(group[0].counts["frames"], "frame")
            alone.append(f"only in {having[0]}: {names}, {benchmark}, {frames}, protocol {protocol}")
    return shared, alone
