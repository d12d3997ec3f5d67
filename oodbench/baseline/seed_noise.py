"""How far luck alone moves a number: measured on runs of one network that differ in their seed.

A method that is fitted draws its samples by the seed. Let a metric of a row have the standard deviation s over n runs.
Two more runs then differ by more than t sqrt(2) s with a chance that Student's distribution of n - 1 degrees of freedom
gives; t is chosen so that the gate closes by luck, on any of the numbers that move at all, in one of a hundred runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import stdev

from oodbench.baseline.file import measurement, read_rows
from oodbench.baseline.records import Measurement, RowRecord
from oodbench.baseline.verdict import find_differences
from oodbench.contracts import Result
from oodbench.errors import NotComparableError, UsageError

# Of all moving numbers together.
_FALSE_ALARMS = 0.01
_FEWEST = 3


def add_seed_noise(run: Path, others: Sequence[Path]) -> Measurement:
    """What `run` measured, with the points by which other seeds move each of its rows' metrics.

    Args:
        run: the folder of a run.
        others: folders of runs of the same networks on the same frames, each under a seed of its own.

    Raises:
        UsageError: fewer than two others, two of one seed, or of another network.
        NotComparableError: one differs in more than its seed.
        RunFolderError: as `read_rows`.
    """
    if len(others) < _FEWEST - 1:
        raise UsageError(
            f"{len(others) + 1} runs don't show how far chance moves a number; expected {_FEWEST} or more",
            "Ten make tight tolerances: oodbench run --seed 1 --out ..., --seed 2, and so on.",
        )
    runs = [(folder, read_rows(folder)) for folder in (run, *others)]
    _check_seeds(runs)
    measured, *alike = (measurement(folder, rows) for folder, rows in runs)
    for folder, other in zip(others, alike, strict=True):
        reasons = find_differences(measured, other)
        if reasons:
            raise NotComparableError(
                f"{folder / 'result.json'} differs from {run / 'result.json'} in more than its seed",
                reasons,
                "Run again with the same command and another --seed.",
            )
    by_key = [{row.key: row.metrics for row in made.rows} for made in (measured, *alike)]
    moving: dict[tuple[str, ...], dict[str, float]] = {}
    for row in measured.rows:
        for metric in row.metrics:
            found = [100 * number for known in by_key if (number := known[row.key][metric]) is not None]
            if len(set(found)) > 1:
                moving.setdefault(row.key, {})[metric] = stdev(found)
    reach = _reach(len(runs), sum(map(len, moving.values()))) if moving else 0.0
    return _updated(
        measured, {key: {m: round(reach * s, 3) for m, s in spread.items()} for key, spread in moving.items()}
    )


def keep_seed_noise(before: Measurement, now: Measurement) -> Measurement:
    """`now` with the chance of the rows of `before` that it repeats: on the same frames, scored, read and fitted alike.

    Of other rows the old chance says nothing.
    """
    today = {row.key: row for row in now.rows}
    return _updated(
        now,
        {
            row.key: row.chance
            for row in before.rows
            if row.key in today and not find_differences(_alone(before, row), _alone(now, today[row.key]))
        },
    )


def _alone(measured: Measurement, row: RowRecord) -> Measurement:
    """One of its rows and what belongs to that."""
    own = {
        "rows": (row,),
        "benchmarks": {name: part for name, part in measured.benchmarks.items() if name == row.benchmark},
        "protocols": {name: rules for name, rules in measured.protocols.items() if name == row.protocol},
    }
    return measured.model_copy(update=own)


def _updated(measured: Measurement, chance: Mapping[tuple[str, ...], Mapping[str, float]]) -> Measurement:
    rows = tuple(row.model_copy(update={"chance": dict(chance.get(row.key, {}))}) for row in measured.rows)
    return measured.model_copy(update={"rows": rows})


def _reach(runs: int, numbers: int) -> float:
    """Standard deviations of one run by which two may differ, one-sided, over so many numbers."""
    from scipy.stats import t  # late: the gate itself must start in no time

    return float(t.ppf(1 - _FALSE_ALARMS / numbers, runs - 1)) * 2**0.5


def _check_seeds(runs: Sequence[tuple[Path, Sequence[Result]]]) -> None:
    seen: dict[int, int] = {}
    weights: dict[str, str] = {}
    for place, (folder, rows) in enumerate(runs):
        for row in rows:
            digest = row.digests.get("network", "")
            if weights.setdefault(row.network, digest) != digest:
                raise UsageError(
                    f"{folder}: {row.network} has other weights there than in {runs[0][0]}",
                    "Chance is measured on one network, under several seeds.",
                )
            first = seen.setdefault(row.seed, place)
            if first != place:
                raise UsageError(
                    f"{folder} and {runs[first][0]} are both of seed {row.seed}", "Give each run a --seed of its own."
                )
