"""The variation of metrics between seeds, measured on runs of one network that differ only in their seed.

A fitted method samples its training pixels with the seed. Let a metric of a result have the standard deviation s over n
runs. The difference of two more runs exceeds t sqrt(2) s with a probability that Student's distribution with n - 1
degrees of freedom gives. t is chosen so that, over all varying metrics together, the gate closes by chance in one of a
hundred runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import stdev

from oodbench.baseline.file import measurement, read_rows
from oodbench.baseline.records import MeasuredResults, RowRecord
from oodbench.baseline.verdict import find_differences
from oodbench.contracts import Result
from oodbench.errors import NotComparableError, UsageError

# False alarm rate of all varying metrics together.
_FALSE_ALARMS = 0.01
_FEWEST = 3


def add_seed_noise(run: Path, others: Sequence[Path]) -> MeasuredResults:
    """Return the measurement of `run` with the points by which other seeds change each metric.

    Args:
        run: The folder of a run.
        others: Folders of runs of the same networks on the same frames, each with a different seed.

    Raises:
        UsageError: There are fewer than two others, two runs have one seed, or a run is of another network.
        NotComparableError: A run differs in more than its seed.
        RunFolderError: As for `read_rows`.
    """
    if len(others) < _FEWEST - 1:
        raise UsageError(
            f"{len(others) + 1} runs are too few to measure the variation between seeds; expected {_FEWEST} or more",
            "Use ten runs for tight tolerances: oodbench run --seed 1 --out ..., --seed 2, and so on.",
        )
    runs = [(folder, read_rows(folder)) for folder in (run, *others)]
    _check_seeds(runs)
    measured, *alike = (measurement(folder, results) for folder, results in runs)
    for folder, other in zip(others, alike, strict=True):
        reasons = find_differences(measured, other)
        if reasons:
            raise NotComparableError(
                f"{folder / 'result.json'} differs from {run / 'result.json'} in more than its seed",
                reasons,
                "Run again with the same command and another --seed.",
            )
    by_key = [{row.key: row.metrics for row in part.rows} for part in (measured, *alike)]
    moving: dict[tuple[str, ...], dict[str, float]] = {}
    for row in measured.rows:
        for metric in row.metrics:
            points = [100 * number for metrics in by_key if (number := metrics[row.key][metric]) is not None]
            if len(set(points)) > 1:
                moving.setdefault(row.key, {})[metric] = stdev(points)
    reach = _reach(len(runs), sum(map(len, moving.values()))) if moving else 0.0
    return _set_chance(
        measured, {key: {m: round(reach * s, 3) for m, s in spread.items()} for key, spread in moving.items()}
    )


def keep_seed_noise(before: MeasuredResults, now: MeasuredResults) -> MeasuredResults:
    """Return `now` with the variation between seeds that `before` has stored.

    It is kept for results with the same frames, scoring, protocol and fit. It is not carried over to any other result.

    Args:
        before: The measurement of the previous baseline.
        now: The measurement of the run that is accepted.
    """
    today = {row.key: row for row in now.rows}
    return _set_chance(
        now,
        {
            row.key: row.chance
            for row in before.rows
            if row.key in today and not find_differences(_select_row(before, row), _select_row(now, today[row.key]))
        },
    )


def _select_row(measured: MeasuredResults, row: RowRecord) -> MeasuredResults:
    """Return the measurement with only one of its results and the records that it refers to."""
    update = {
        "rows": (row,),
        "benchmarks": {name: part for name, part in measured.benchmarks.items() if name == row.benchmark},
        "protocols": {name: rules for name, rules in measured.protocols.items() if name == row.protocol},
    }
    return measured.model_copy(update=update)


def _set_chance(measured: MeasuredResults, chance: Mapping[tuple[str, ...], Mapping[str, float]]) -> MeasuredResults:
    rows = tuple(row.model_copy(update={"chance": dict(chance.get(row.key, {}))}) for row in measured.rows)
    return measured.model_copy(update={"rows": rows})


def _reach(runs: int, numbers: int) -> float:
    """Return the one-sided bound on the difference of two runs, in standard deviations of one run."""
    from scipy.stats import t  # imported late, because the gate itself must start quickly

    return float(t.ppf(1 - _FALSE_ALARMS / numbers, runs - 1)) * 2**0.5


def _check_seeds(runs: Sequence[tuple[Path, Sequence[Result]]]) -> None:
    first_of_seed: dict[int, int] = {}
    weights: dict[str, str] = {}
    for index, (folder, results) in enumerate(runs):
        for result in results:
            digest = result.digests.get("network", "")
            if weights.setdefault(result.network, digest) != digest:
                raise UsageError(
                    f"{folder}: {result.network} has other weights than in {runs[0][0]}",
                    "Pass runs of one network with several seeds.",
                )
            first = first_of_seed.setdefault(result.seed, index)
            if first != index:
                raise UsageError(
                    f"{folder} and {runs[first][0]} both have seed {result.seed}", "Give each run a different --seed."
                )
