"""The gate: comparison of a run with the accepted one, and acceptance of a run."""

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
from oodbench.files import expand_home


@dataclass(frozen=True)
class Acceptance:
    """The outcome of accepting a run as the baseline.

    Attributes:
        verdict: Changes against the previous baseline; None if there is no previous baseline, or if the run is not
            comparable with it.
        not_compared: Reasons why there is no comparison with an existing baseline, one text per reason.
        tolerances: Maps each metric to its stored tolerance in percentage points.
        rows: Number of results in the baseline.
        by_chance: Number of metric values whose variation between seeds is larger than the tolerance. For these, the
            variation is used as the tolerance.
    """

    verdict: Verdict | None
    not_compared: tuple[str, ...]
    tolerances: Mapping[str, float]
    rows: int
    by_chance: int


def gate(run: str | Path, baseline: str | Path, tolerances: Mapping[str, float] | None = None) -> Verdict:
    """Compare a run with the baseline, a file with the results of an accepted run.

    Args:
        run: The folder of a run; only its result.json is read.
        baseline: A file that `accept` wrote.
        tolerances: Maps a metric to the percentage points by which it may get worse: `{"AP": 1.0}` allows a change from
            0.50 to 0.49. They override the tolerances in the baseline.

    Returns:
        The changes. Its property `passed` is True if no metric got worse by more than its tolerance.

    Raises:
        NotComparableError: The run lacks a network, method, benchmark or result of the baseline, or has other frames,
            parameters, protocols (rules of evaluation) or scoring resolutions.
        BaselineError: The baseline is missing or damaged.
        RunFolderError: The result.json is missing or damaged.
        UsageError: A tolerance is for an unknown metric, or not a number from 0 to 100.

    Examples:
        >>> import oodbench
        >>> _ = oodbench.run(
        ...     models="streets-softmax", methods="msp", benchmarks="streets-anomaly", limit=1, id_limit=1,
        ...     stop_after="evaluate", out="run",
        ... )
        >>> _ = oodbench.accept("run", "baseline.json")
        >>> oodbench.gate("run", "baseline.json", tolerances={"AP": 0.5}).passed
        True
    """
    overrides = _check_tolerances(tolerances or {})
    file, run = Path(expand_home(baseline)), Path(expand_home(run))
    accepted, today = read_baseline(file), read_result(run)
    reasons = find_differences(accepted.measured, today)
    if reasons:
        remedy = "Run again with the settings of the baseline, or accept this run as the new one: "
        old, new = ({row.network for row in measured.rows} for measured in (accepted.measured, today))
        if old - new and new - old:
            remedy = (
                "Networks are matched by name. If this one is a new version of the accepted network, give it the same "
                f"name in its model card. {remedy}"
            )
        raise NotComparableError(
            f"{run / 'result.json'} can't be compared with {file}",
            reasons,
            f"{remedy}oodbench gate {run} --baseline {file} --accept",
        )
    return compare(accepted.measured, today, accepted.tolerances | overrides)


def accept(
    run: str | Path,
    baseline: str | Path,
    tolerances: Mapping[str, float] | None = None,
    others: Sequence[str | Path] = (),
) -> Acceptance:
    """Accept a run: write its results to the baseline file, with which `gate` compares later runs.

    Args:
        run: The folder of a run; only its result.json is read.
        baseline: The file to write; an existing baseline is replaced, and a missing folder is created.
        tolerances: Maps a metric to the percentage points by which it may get worse. Other metrics keep their
            tolerance from the replaced baseline, or get the default if there is no such baseline.
        others: Folders of two or more runs of the same network with other seeds. The variation between the seeds is
            measured and stored. If it is larger than the tolerance of a metric, it replaces this tolerance. Empty:
            results with unchanged settings keep the variation from the replaced baseline.

    Returns:
        The outcome: the changes against the replaced baseline, and the stored tolerances.

    Raises:
        BaselineError: The file is not writable.
        RunFolderError: The result.json is missing or damaged.
        NotComparableError: A run in `others` differs from `run` in more than its seed.
        UsageError: The file is in the run's folder, a tolerance is not valid, or the runs in `others` are not suitable.

    Examples:
        >>> import oodbench
        >>> _ = oodbench.run(
        ...     models="streets-softmax", methods="msp", benchmarks="streets-anomaly", limit=1, id_limit=1,
        ...     stop_after="evaluate", out="run",
        ... )
        >>> acceptance = oodbench.accept("run", "baseline.json")
        >>> acceptance.rows, dict(acceptance.tolerances)
        (1, {'AP': 1.0, 'FPR95': 2.0})
    """
    overrides = _check_tolerances(tolerances or {})
    file, run = Path(expand_home(baseline)), Path(expand_home(run))
    if file.resolve().is_relative_to(run.resolve()):
        raise UsageError(
            f"--baseline {file} is in the folder of the run",
            "Keep it next to your source code, because it outlives runs.",
        )
    today = add_seed_noise(run, [Path(expand_home(other)) for other in others]) if others else read_result(run)
    verdict, stored, reasons = None, default_tolerances(), []
    try:
        before = read_baseline(file) if file.exists() else None
    except BaselineError as error:
        before, reasons = None, [error.problem]
    if before is not None:
        stored, reasons = before.tolerances, find_differences(before.measured, today)
        verdict = None if reasons else compare(before.measured, today, stored | overrides)
        if not others:
            today = keep_seed_noise(before.measured, today)
    kept = stored | overrides
    write_baseline(file, Baseline(schema_version=BASELINE_SCHEMA, tolerances=kept, measured=today))
    wider = sum(row.chance[metric] > kept[metric] for row in today.rows for metric in kept if metric in row.chance)
    return Acceptance(verdict, tuple(reasons), dict(kept), len(today.rows), wider)


def _check_tolerances(tolerances: Mapping[str, float]) -> Tolerances:
    names = [spec.name for spec in metrics_of("anomaly")]
    valid: Tolerances = {}
    for metric in names:
        if metric in tolerances:
            valid[metric] = float(tolerances[metric])
            if not 0 <= valid[metric] <= 100:
                raise UsageError(
                    f"the tolerance of {metric} is {tolerances[metric]}; expected points from 0 to 100",
                    "Give it in percentage points: 1.0 allows a change from 0.50 to 0.49.",
                )
    for name in tolerances:
        if name not in names:
            raise UnknownNameError("metric of a tolerance", name, names)
    return valid
