"""Check of result.json: it has one result for each pair of scorer and benchmark, with the facts of the plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from oodbench.contracts import Result, ResultsFile, warn_of_wide_brackets
from oodbench.errors import OodbenchError
from oodbench.planning.records import FrameSetRecord, ScorerRecord
from oodbench.runs.verification.check import VerificationCheck, judge, not_checked, wrong
from oodbench.runs.verification.subject import Subject, has_labels
from oodbench.storage.keys import RESULTS_FILE, quality_key

_DIGESTS = {"network", "data", "scores"}
_MEASURED = {"cost", "environment"}


def check_results(subject: Subject) -> Iterator[VerificationCheck]:
    """Check that the results are complete, and that they have the facts of the plan."""
    if not subject.run.store.has(RESULTS_FILE):
        yield not_checked("results", f"there is no result.json in {subject.run.location}: the run was not evaluated")
        return
    try:
        content = subject.run.content
    except OodbenchError as error:
        yield wrong("results", error.problem)
        return
    count = sum(len(results) for results in content.results.values())
    confirmed = f"{count} in result.json and in results/, one for each scorer, benchmark and protocol"
    yield judge("results", [*_find_problems(subject, content)], confirmed)
    for failure in content.failed:
        yield not_checked(f"results of {failure.benchmark}", f"the run says: {failure}")


def find_results(subject: Subject, part: FrameSetRecord, scorer: ScorerRecord) -> list[Result]:
    """Return the results of a scorer on a benchmark; none if result.json can't be read."""
    try:
        content = subject.run.content
    except OodbenchError:
        return []
    identity = (part.name, scorer.network, scorer.label)
    return [result for results in content.results.values() for result in results if _identity(result) == identity]


def _identity(result: Result) -> tuple[str, str, str]:
    return result.benchmark, result.network, result.label


def _title(identity: tuple[str, str, str]) -> str:
    benchmark, network, label = identity
    return f"{label} on {network}, {benchmark}"


def _find_problems(subject: Subject, content: ResultsFile) -> Iterator[str]:
    record = subject.record
    planned = {
        (part.name, scorer.network, scorer.label): (part, scorer)
        for part in record.benchmarks
        for scorer in record.scorers
    }
    for name, results in content.results.items():
        counts = Counter(map(_identity, results))
        twice = [identity for identity, count in counts.items() if count > 1]
        yield from (f"{_title(identity)}: more than one result under {name}" for identity in twice)
        for result in results:
            if _identity(result) not in planned:
                yield f"{_title(_identity(result))}: plan.json has no such scorer or benchmark"
            elif result.protocol.name != name:
                yield f"{_title(_identity(result))}: its protocol is {result.protocol.name}; it is listed under {name}"
            else:
                yield from _compare_with_plan(subject, result, *planned[_identity(result)])
    failed = {failure.benchmark for failure in content.failed}
    for part in record.benchmarks:
        if part.name in failed or not has_labels(part):
            continue
        others = [name for name, results in content.results.items() if any(r.benchmark == part.name for r in results)]
        for name in dict.fromkeys([*record.protocols[part.name], *others]):
            present = set(map(_identity, content.results.get(name, ())))
            wanted = [identity for identity in planned if identity[0] == part.name]
            yield from (f"{_title(identity)}: no result under {name}" for identity in wanted if identity not in present)
    if content.skipped != [pair.model_dump(mode="json") for pair in record.skipped]:
        yield "result.json and plan.json list different skipped pairs of method and network"
    if content.quality != _stored_quality(subject):
        yield "result.json has another segmentation quality than the files in quality/"


def _compare_with_plan(subject: Subject, result: Result, part: FrameSetRecord, scorer: ScorerRecord) -> Iterator[str]:
    """Yield each fact of a result that is not that of the plan, and a difference to its file in results/."""
    record, title = subject.record, _title(_identity(result))
    digests = (record.network(scorer.network).digest, part.digest)
    facts = {
        "method": (result.method, scorer.method),
        "params": (result.params, scorer.params),
        "layout": (result.layout, part.layout),
        "scoring": (result.scoring, record.scoring),
        "seed": (result.seed, record.seed),
        "expected_frames": (result.counts.get("expected_frames"), part.expected),
        "frames": (result.counts.get("frames"), len(part.frames)),
    }
    if result.digests.keys() != _DIGESTS or (result.digests["network"], result.digests["data"]) != digests:
        yield f"{title}: its digests are not those of plan.json"
    for name, (stated, planned) in facts.items():
        if stated != planned:
            yield f"{title}: {name} is {stated!r}; expected {planned!r} as in plan.json"
    missing = [name for name in result.protocol.pixel_metrics if name not in result.metrics]
    if missing:
        yield f"{title}: it has no {' and no '.join(missing)}"
    for name, (low, high) in result.brackets.items():
        if not low <= high or result.metrics.get(name) != (low + high) / 2:
            value = result.metrics.get(name)
            yield f"{title}: {name} is {value!r}, which is not the midpoint of its bracket [{low!r}, {high!r}]"
    unmentioned = [
        warning
        for warning in warn_of_wide_brackets(result.label, result.benchmark, result.brackets)
        if warning not in result.warnings
    ]
    yield from (f"{title}: it lacks the warning '{warning}'" for warning in unmentioned)
    silent = [warning for warning in part.warnings if warning not in result.warnings]
    if silent:
        yield f"{title}: it lacks the warning '{silent[0]}'"
    stored = subject.run.stored_row(result)
    # An interrupted evaluation has replaced the file with other measured times, and not yet result.json.
    if stored is None or stored.model_dump(exclude=_MEASURED) != result.model_dump(exclude=_MEASURED):
        yield f"{title}: result.json and the file in results/ differ"


def _stored_quality(subject: Subject) -> dict[str, object]:
    part = subject.record.calibrate
    if part is None:
        return {}
    measured = {
        network.name: subject.run.artifacts.json(quality_key(network.digest, part))
        for network in subject.record.networks
    }
    source = {"dataset": part.name, "split": part.split}
    return {name: {**quality, **source} for name, quality in measured.items() if isinstance(quality, dict)}
