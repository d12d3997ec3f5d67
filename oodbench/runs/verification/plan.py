"""Check of plan.json: its parts refer to each other, and the methods are those that it names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from oodbench.contracts import Method, Requirements
from oodbench.errors import OodbenchError
from oodbench.metrics import PROTOCOLS
from oodbench.planning.live_objects import OBJECT
from oodbench.planning.plan import make_scorer_key
from oodbench.planning.records import PlanRecord, ScorerRecord
from oodbench.registry import method_label
from oodbench.runs.verification.check import VerificationCheck, compare_digests, judge, not_checked, wrong
from oodbench.runs.verification.subject import Subject


def check_plan(record: PlanRecord) -> VerificationCheck:
    """Check that all names in a plan are unique and refer to each other."""
    names = {part.name for part in record.benchmarks}
    counts = f"{len(record.networks)} networks, {len(record.scorers)} scorers, {len(names)} benchmarks"
    return judge("plan", _find_inconsistencies(record, names), f"{counts}, {record.digest[:12]}")


def _find_inconsistencies(record: PlanRecord, names: set[str]) -> Iterator[str]:
    parts = {
        "network": [network.name for network in record.networks],
        "scorer": [scorer.key for scorer in record.scorers],
        "label": [f"{scorer.label} on {scorer.network}" for scorer in record.scorers],
        "benchmark": [part.name for part in record.benchmarks],
    }
    for kind, values in parts.items():
        yield from (
            f"the {kind} {name} is listed {count} times" for name, count in Counter(values).items() if count > 1
        )
        if not values:
            yield f"it lists no {kind}"
    for scorer in record.scorers:
        if scorer.network not in parts["network"]:
            yield f"{scorer.label} is on the network {scorer.network}, which is not listed"
    for name in sorted(names | record.protocols.keys()):
        protocols = record.protocols.get(name, ())
        if name not in names:
            yield f"it has protocols of {name}, which is not listed"
        elif not protocols:
            yield f"{name} has no protocol"
        yield from (f"{name} has the unknown protocol {other}" for other in protocols if other not in PROTOCOLS)


def check_methods(subject: Subject) -> Iterator[VerificationCheck]:
    """Check that each scorer is the method that it names, with the same code, and keep the methods that are."""
    checks: dict[str, list[VerificationCheck]] = {}
    for scorer in subject.record.scorers:
        if scorer.given is None:
            checks.setdefault(scorer.label, []).extend(_check_method(subject, scorer))
    for part in checks.values():
        yield from dict.fromkeys(part)  # one line for all networks, unless they differ


def _check_method(subject: Subject, scorer: ScorerRecord) -> Iterator[VerificationCheck]:
    what, code = f"method {scorer.label}", f"code of {scorer.label}"
    if scorer.spec.endswith(OBJECT):
        yield not_checked(what, "it was passed as an object")
        return
    try:
        method = subject.run.registry.method(scorer.spec)
        digest = subject.run.registry.source_digest("methods", method.card.name)
    except OodbenchError as error:
        yield not_checked(what, error.problem)
        return
    if scorer.source_digest or digest:
        check = compare_digests(
            code, "the plugin and its local modules", digest or "none", scorer.source_digest or "none"
        )
        yield check
        if check.verdict == "wrong":
            return
    if version := subject.other_version():
        yield not_checked(what, f"oodbench {version} computed its scores")
        return
    check = judge(what, _compare_with_card(subject, scorer, method, digest), "name, parameters, label and requirements")
    yield check
    if check.verdict == "right":
        subject.methods[scorer.key] = method


def _compare_with_card(subject: Subject, scorer: ScorerRecord, method: Method, code: str | None) -> Iterator[str]:
    record, card = subject.record, method.card
    stated = {
        "method": (scorer.method, card.name),
        "label": (scorer.label, method_label(method)),
        "params": (scorer.params, method.params.model_dump(mode="json")),
        "version": (scorer.version, card.version),
        "fits": (scorer.fits, method.needs().fit),
        "requirements": (
            scorer.requirements,
            Requirements(retraining=card.retraining, extra_network=card.extra_network, ood_data=card.ood_data),
        ),
    }
    for name, (recorded, actual) in stated.items():
        if recorded != actual:
            yield f"plan.json has {name} {recorded!r}; {scorer.spec} has {actual!r}"
            return
    network = record.network(scorer.network)
    key = make_scorer_key(
        method,
        (network.digest, network.device),
        code,
        scoring=record.scoring,
        batch_size=record.batch_size,
        fit=(record.seed, record.fit.digest) if scorer.fits and record.fit else None,
    )
    if key != scorer.key:
        yield (
            f"its scores were stored as {scorer.key}; with the network, fit frames, scoring, seed and batch size in "
            f"plan.json they would be {key}"
        )


def check_network(subject: Subject, name: str) -> VerificationCheck:
    """Check that a network is the one that the run used, and keep it if it is."""
    import torch

    from oodbench.planning.resolve import ModelSource

    network, what = subject.record.network(name), f"network {name}"
    if network.source.endswith(OBJECT):
        return not_checked(what, "it was passed as an object, which can't be opened again")
    try:
        source = ModelSource(network.source, network.card, network.checkpoint)
        on_gpu = network.device.startswith("cuda") and torch.cuda.is_available()
        segmenter = source.open(subject.run.registry, "cuda" if on_gpu else "cpu")
    except OodbenchError as error:
        return not_checked(what, f"it can't be opened: {error.problem}")
    check = compare_digests(what, "weights, card and code", segmenter.digest, network.digest)
    if check.verdict == "wrong":
        return check
    stated = {
        "name": (network.name, segmenter.name),
        "classes": (subject.record.classes, segmenter.classes.name),
        "expected mIoU": (network.expected_miou, segmenter.expected.miou),
        "expected mean confidence": (network.expected_mean_confidence, segmenter.expected.mean_confidence),
    }
    for fact, (recorded, actual) in stated.items():
        if recorded != actual:
            return wrong(what, f"plan.json has {fact} {recorded!r}; the network has {actual!r}")
    subject.networks[name] = segmenter
    return check
