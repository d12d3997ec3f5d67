"""Verification of a run: its inputs and files are compared with their records, and its numbers are computed again."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from oodbench.errors import UsageError
from oodbench.progress import Progress, Silent
from oodbench.runs.load import load
from oodbench.runs.run import Run
from oodbench.runs.verification.calibration import check_calibration
from oodbench.runs.verification.check import VerificationCheck, run_checks
from oodbench.runs.verification.evaluation import check_scores
from oodbench.runs.verification.files import check_files, list_rest
from oodbench.runs.verification.frame_sets import check_benchmark, check_dataset
from oodbench.runs.verification.methods import check_methods
from oodbench.runs.verification.networks import check_network
from oodbench.runs.verification.plan import check_plan
from oodbench.runs.verification.recomputation import check_recomputed_scores
from oodbench.runs.verification.reports import check_reports
from oodbench.runs.verification.results import check_results, find_results
from oodbench.runs.verification.subject import Subject
from oodbench.storage.scratch import ScratchStore

DEFAULT_FRAMES = 2
"""Number of frames per benchmark that are scored again by default."""


def verify(
    run: Run | str | Path, progress: Progress | None = None, *, recompute: int = DEFAULT_FRAMES, seed: int | None = None
) -> list[VerificationCheck]:
    """Verify a run as `oodbench verify` does: check that its files have not changed, and recompute its numbers.

    The SHA-256 digests (hashes) of the networks, frames, code and score maps are compared with those that the run
    recorded. A few frames, chosen at random, are scored again with the networks, and the score maps are compared with
    the stored ones. The quality of the networks is measured again. The metrics are computed again from the stored score
    maps, and the tables from the results.

    Args:
        run: A run, or its folder. Nothing is written.
        progress: Callback for progress messages; None: silent.
        recompute: Number of frames per benchmark that are scored again; 0: the networks compute nothing.
        seed: Seed of the choice of these frames; None: a new one, which the findings state.

    Returns:
        The outcomes of all checks, including the checks that were not possible.

    Raises:
        RunFolderError: The folder contains no run.
        UsageError: `recompute` or `seed` is negative.

    Examples:
        >>> import oodbench
        >>> _ = oodbench.run(
        ...     models="streets-softmax", methods="msp", benchmarks="streets-anomaly", limit=1, id_limit=1,
        ...     stop_after="evaluate", out="run",
        ... )
        >>> sorted({check.verdict for check in oodbench.verify("run", recompute=1)})
        ['not checked', 'right']
    """
    if recompute < 0 or (seed is not None and seed < 0):
        raise UsageError(
            f"recompute is {recompute}, and seed is {seed}; expected 0 or more", "Give non-negative numbers."
        )
    stored = run if isinstance(run, Run) else load(run)
    # A new object reads the run as it is stored now, and what the checks compute stays in memory.
    current = replace(stored, store=ScratchStore(stored.store))
    return list(_make_checks(Subject(current, progress or Silent()), recompute, _choose_seed(seed)))


def _choose_seed(seed: int | None) -> int:
    """Return the given seed, or a random one: a forger must not know in advance which frames are checked."""
    return secrets.randbits(32) if seed is None else seed


def _make_checks(subject: Subject, recompute: int, seed: int) -> Iterator[VerificationCheck]:
    """Yield all checks. Later ones use the networks, methods and frames that earlier ones have confirmed."""
    record = subject.record
    for network in record.networks if not subject.is_external else ():
        yield from run_checks(f"network {network.name}", partial(check_network, subject, network))
    consistency = check_plan(record)
    yield consistency
    if consistency.verdict == "wrong":
        return
    yield check_files(subject)
    yield from run_checks("methods", partial(check_methods, subject))
    for part in record.benchmarks:
        yield from run_checks(f"frames of {part.name}", partial(check_benchmark, subject, part))
    for dataset, use in ((record.fit, "fit"), (record.calibrate, "calibrate")):
        if dataset is not None:
            yield from run_checks(f"frames to {use} on", partial(check_dataset, subject, dataset, use))
    yield from run_checks("results", partial(check_results, subject))
    for part in record.benchmarks:
        for scorer in record.scorers:
            what = f"metrics of {scorer.label} on {scorer.network}, {part.name}"
            results = find_results(subject, part, scorer)
            yield from run_checks(what, partial(check_scores, subject, part, scorer, results))
    yield from run_checks("recomputed scores", partial(check_recomputed_scores, subject, recompute, seed))
    yield from run_checks("quality", partial(check_calibration, subject, recompute))
    yield from run_checks("report", partial(check_reports, subject))
    yield list_rest(subject)
