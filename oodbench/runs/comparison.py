"""Comparison of the selected methods of one run, of two runs result by result, or of all methods of two runs."""

from __future__ import annotations

from collections.abc import Sequence

from oodbench.contracts import MethodComparison
from oodbench.metrics.resampling.significance import RESAMPLES
from oodbench.runs.compare import compare_methods, compare_runs
from oodbench.runs.row_matching import match_results
from oodbench.runs.run import Run
from oodbench.runs.selection import ResultSelection, SelectedRun


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
    together = SelectedRun(tuple(runs), choice)
    selected = together.results if any(run.results for run in runs) else ()
    if len(runs) > 1 and reference is None:
        first, second = runs
        pairs, _ = match_results(*([r for r in run.results if choice.names(r)] for run in runs))
        if pairs or not any(result.scoring.is_external for result in selected):
            return compare_runs(first, second, metrics, resamples, choice.names)
    return compare_methods(together, reference, metrics, resamples)
