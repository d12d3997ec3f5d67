"""Is today's run worse than the accepted one? And the acceptance of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from oodbench.baseline.file import read_baseline, read_result, write_baseline
from oodbench.baseline.records import BASELINE_SCHEMA, Baseline, Tolerances
from oodbench.baseline.seed_noise import add_seed_noise, keep_seed_noise
from oodbench.baseline.verdict import Verdict, compare, find_differences
from oodbench.contracts import default_tolerances, metrics_of
from oodbench.errors import BaselineError, NotComparableError, UnknownNameError, UsageError


@dataclass(frozen=True)
class Acceptance:
    """What came of accepting a run.

    Attributes:
        verdict: what moved against the baseline that was there; None where there was none to compare with.
        not_compared: why not, a text a reason.
        tolerances: metric -> points, as stored.
        rows: how many rows the baseline holds.
        by_chance: how many of its numbers may move by more than that, since another seed moves them by more.
    """

    verdict: Verdict | None
    not_compared: tuple[str, ...]
    tolerances: Mapping[str, float]
    rows: int
    by_chance: int


def gate(run: str | Path, baseline: str | Path, tolerances: Mapping[str, float] | None = None) -> Verdict:
    """Hold a run against the accepted one.

    Args:
        run: the folder of a run; its result.json is read and nothing else.
        baseline: a file that `accept` wrote.
        tolerances: metric -> points (percent) by which it may get worse, before those of the baseline.

    Returns:
        What moved; `.passed` says whether nothing got worse beyond its tolerance.

    Raises:
        NotComparableError: the two differ in more than their numbers.
        BaselineError: there is no baseline, or it is damaged.
        RunFolderError: there is no result, or it is damaged.
        UsageError: a tolerance is of an unknown metric or no number from 0 to 100.
    """
    given = _check_tolerances(tolerances or {})
    file = Path(baseline)
    accepted, today = read_baseline(file), read_result(Path(run))
    reasons = find_differences(accepted.measured, today)
    if reasons:
        raise NotComparableError(
            f"{Path(run) / 'result.json'} can't be compared with {file}",
            reasons,
            "Run again as the baseline was made, or accept this run as the new one: "
            f"oodbench gate {run} --baseline {file} --accept",
        )
    return compare(accepted.measured, today, accepted.tolerances | given)


def accept(
    run: str | Path,
    baseline: str | Path,
    tolerances: Mapping[str, float] | None = None,
    others: Sequence[str | Path] = (),
) -> Acceptance:
    """Make a run the accepted one: write the baseline, in the place of the one that is there.

    Args:
        run: the folder of a run; its result.json is read and nothing else.
        baseline: the file; its folder is made where it is missing.
        tolerances: metric -> points to be stored. For metrics that it leaves out: those of the baseline that is
            there; where there is none, the defaults.
        others: runs of the same network under other seeds, two or more, from which the chance in each row is measured.
            Without them rows that are measured as before keep the chance that the baseline has for them.

    Raises:
        BaselineError: the file can't be written.
        RunFolderError: there is no result, or it is damaged.
        NotComparableError: one of the others differs in more than its seed.
        UsageError: the file lies in the run's folder, a tolerance is wrong, or the others don't serve.
    """
    given = _check_tolerances(tolerances or {})
    file = Path(baseline)
    if file.resolve().is_relative_to(Path(run).resolve()):
        raise UsageError(
            f"--baseline {file} lies in the folder of the run", "Keep it beside your sources: it outlives runs."
        )
    today = add_seed_noise(Path(run), [Path(other) for other in others]) if others else read_result(Path(run))
    verdict, stored, reasons = None, default_tolerances(), []
    try:
        before = read_baseline(file)
    except BaselineError as error:
        reasons = [error.problem]
    else:
        stored, reasons = before.tolerances, find_differences(before.measured, today)
        verdict = None if reasons else compare(before.measured, today, stored | given)
        if not others:
            today = keep_seed_noise(before.measured, today)
    kept = stored | given
    write_baseline(file, Baseline(schema_version=BASELINE_SCHEMA, tolerances=kept, measured=today))
    wider = sum(row.chance[metric] > kept[metric] for row in today.rows for metric in kept if metric in row.chance)
    return Acceptance(verdict, tuple(reasons), dict(kept), len(today.rows), wider)


def _check_tolerances(tolerances: Mapping[str, float]) -> Tolerances:
    known = [spec.name for spec in metrics_of("anomaly")]
    checked: Tolerances = {}
    for metric in known:
        if metric in tolerances:
            checked[metric] = float(tolerances[metric])
            if not 0 <= checked[metric] <= 100:
                raise UsageError(
                    f"the tolerance of {metric} is {tolerances[metric]}; expected points from 0 to 100",
                    "1.0 is one percent: from 0.50 to 0.49.",
                )
    for name in tolerances:
        if name not in known:
            raise UnknownNameError("metric of a tolerance", name, known)
    return checked
