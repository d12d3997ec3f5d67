"""Check of the stored maps against their digests, and of the results: they are computed again from the maps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from oodbench.contracts import Result
from oodbench.errors import DataError, NotStoredError, OodbenchError
from oodbench.metrics import PROTOCOLS
from oodbench.metrics.measurements.frame import digest_map
from oodbench.planning.records import FrameSetRecord, ScorerRecord
from oodbench.progress import Silent
from oodbench.runs.verification.check import VerificationCheck, compare_digests, judge, not_checked, wrong
from oodbench.runs.verification.differences import find_differences
from oodbench.runs.verification.subject import Subject
from oodbench.stages.evaluate import evaluate
from oodbench.storage.artifacts import RunArtifacts
from oodbench.storage.keys import Kind, measurement_key, prediction_key, result_key, score_key
from oodbench.storage.scored_benchmark import digest_maps
from oodbench.storage.scratch import ScratchStore

TOLERANCE = 1e-12
"""Largest difference of a recomputed number. Only the order of floating-point sums can differ between machines."""

# What evaluation alone can't reproduce: the time and memory that it took, and where.
_NOT_RECOMPUTED = {"schema_version", "cost", "environment"}


def check_scores(
    subject: Subject, part: FrameSetRecord, scorer: ScorerRecord, results: Sequence[Result]
) -> Iterator[VerificationCheck]:
    """Check the stored maps of a scorer on a benchmark, and the results."""
    what = f"{scorer.label} on {scorer.network}, {part.name}"
    missing: list[str] = []
    try:
        digest = _digest_scores(subject, part, scorer, missing)
    except OodbenchError as error:
        yield wrong(f"scores of {what}", error.problem)
        return
    if missing:
        said = f"{len(missing)} of {len(part.frames)} maps {'are' if len(missing) > 1 else 'is'} missing"
        yield not_checked(f"scores of {what}", f"{said}; the first is {missing[0]} (--keep-scores)")
        for result in results:
            yield not_checked(f"metrics of {what}, {result.protocol.name}", "not all score maps are stored")
        return
    if not results:
        said = f"{len(part.frames)} maps, intact and finite; without a result no digest of them is recorded"
        yield not_checked(f"scores of {what}", said)
    for result in results[:1]:
        yield compare_digests(
            f"scores of {what}", f"{len(part.frames)} maps", digest, result.digests.get("scores", "nothing")
        )
    for result in results:
        yield _check_result(subject, part, scorer, result, f"metrics of {what}, {result.protocol.name}")


def _digest_scores(subject: Subject, part: FrameSetRecord, scorer: ScorerRecord, missing: list[str]) -> str:
    """Return the digest of the stored scores; append the names of the maps of frames without stored scores.

    Raises:
        RunFolderError: A map or a measurement is damaged.
        DataError: A map has another size than its frame, or is not finite.
    """
    artifacts = subject.run.artifacts
    measured = artifacts.measured()
    digests: list[str] = []
    for frame in part.frames:
        key = score_key(scorer.key, frame.key)
        try:
            score = artifacts.map(key)
        except NotStoredError:
            measurement = measured.get(measurement_key(scorer.key, frame))
            if measurement is None:
                missing.append(artifacts.store.name(key))
            else:
                digests.append(artifacts.measurement(measurement).digest)
            continue
        if score.shape != (frame.height, frame.width) or not np.isfinite(score).all():
            raise DataError(
                f"{artifacts.store.name(key)}: {score.shape}; expected {(frame.height, frame.width)}, all finite",
                "Score the frame again.",
            )
        digests.append(digest_map(score))
    return digest_maps(digests)


def _check_result(
    subject: Subject, part: FrameSetRecord, scorer: ScorerRecord, result: Result, what: str
) -> VerificationCheck:
    protocol = PROTOCOLS.get(result.protocol.name)
    if protocol != result.protocol:
        same_version = protocol is not None and not subject.other_version()
        said = f"the rules of its protocol are not those of '{result.protocol.name}' in this version of oodbench"
        return wrong(what, said) if same_version else not_checked(what, said)
    frames = subject.frames.get((part.name, part.split))
    if frames is None:
        return not_checked(what, "the labels are not available")
    scratch = RunArtifacts(ScratchStore(subject.run.store, frozenset({Kind.RESULTS_FILE})))
    plan = subject.record.model_copy(update={"benchmarks": (part,), "scorers": (scorer,)})
    protocols = {part.name: (protocol.name,)}
    again = evaluate(plan, frames, scratch, Silent(), protocols, again=True)[protocol.name]
    if not again:
        return wrong(what, "its frames have no labels")
    if result.brackets and not again[0].brackets:
        return judge(what, [*_leave_brackets(result, again[0])], "the exact metrics are in its brackets")
    problems = [
        *find_differences(_comparable(result), _comparable(again[0]), TOLERANCE),
        *_compare_details(subject, part, scorer, result, scratch),
    ]
    return judge(what, problems, f"{', '.join(result.metrics)}, intervals, counts and warnings, from the stored scores")


def _leave_brackets(result: Result, exact: Result) -> Iterator[str]:
    """Yield the metrics and counts of a result computed from histograms that the stored scores contradict."""
    for name, (low, high) in result.brackets.items():
        value = exact.metrics.get(name)
        if value is None or not low <= value <= high:
            yield f"{name} is {value!r} if recomputed, which is not in its bracket [{low!r}, {high!r}]"
    yield from find_differences(result.counts, exact.counts, TOLERANCE, "counts")
    yield from find_differences(result.undefined, exact.undefined, TOLERANCE, "undefined")


def _comparable(result: Result) -> dict[str, object]:
    return result.model_dump(mode="json", exclude=_NOT_RECOMPUTED)


def _compare_details(
    subject: Subject, part: FrameSetRecord, scorer: ScorerRecord, result: Result, scratch: RunArtifacts
) -> Iterator[str]:
    """Yield the differences of the stored sketch and breakdown, if there are any, to the recomputed ones."""
    record, artifacts = subject.record, subject.run.artifacts
    key = result_key(record, scorer, part, result.protocol)
    stored, again = artifacts.sketch(key), scratch.sketch(key)
    if stored is not None and again is not None:
        arrays, others = stored.arrays(), again.arrays()
        same = arrays.keys() == others.keys() and all(np.array_equal(arrays[name], others[name]) for name in arrays)
        if not same:
            yield "its sketch, from which intervals and comparisons are computed, differs if recomputed"
    predictions = [
        prediction_key(record.network(scorer.network).digest, record.scoring, frame.key) for frame in part.frames
    ]
    has_predictions = {artifacts.store.has(prediction) for prediction in predictions}
    breakdown, recomputed = artifacts.breakdown(key), scratch.breakdown(key)
    if breakdown is not None and recomputed is not None and (has_predictions == {True} or scorer.given):
        dumps = (breakdown.model_dump(mode="json"), recomputed.model_dump(mode="json"))
        yield from find_differences(*dumps, TOLERANCE, "breakdown")
