"""Check of the methods: each scorer in plan.json is the method that it names, with the same code."""

from __future__ import annotations

from collections.abc import Iterator

from oodbench.contracts import Method, Requirements
from oodbench.errors import OodbenchError
from oodbench.planning.live_objects import OBJECT
from oodbench.planning.plan import make_scorer_key
from oodbench.planning.records import ScorerRecord
from oodbench.registry import method_label
from oodbench.runs.verification.check import VerificationCheck, compare_digests, judge, not_checked
from oodbench.runs.verification.subject import Subject


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
        yield not_checked(code, "it was passed as an object")
        return
    try:
        method = subject.run.registry.method(scorer.spec)
        digest = subject.run.registry.source_digest("methods", method.card.name)
    except OodbenchError as error:
        yield not_checked(code if scorer.source_digest else what, error.problem)
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
