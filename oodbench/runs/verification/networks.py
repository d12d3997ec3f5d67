"""Check of the networks: weights, model card and code are those that the run used."""

from __future__ import annotations

from collections.abc import Iterator

from oodbench.contracts import Segmenter
from oodbench.errors import OodbenchError
from oodbench.planning.live_objects import OBJECT
from oodbench.planning.records import SegmenterRecord
from oodbench.runs.verification.check import VerificationCheck, compare_digests, judge, not_checked
from oodbench.runs.verification.subject import Subject


def check_network(subject: Subject, network: SegmenterRecord) -> Iterator[VerificationCheck]:
    """Check that a network is the one that the run used, and keep it if it is."""
    what = f"network {network.name}"
    if network.source.endswith(OBJECT):
        yield not_checked(what, "it was passed as an object, which can't be opened again")
        return
    try:
        segmenter = _open(subject, network)
    except OodbenchError as error:
        yield not_checked(what, f"it can't be opened: {error.problem}")
        return
    check = compare_digests(what, "weights, card and code", segmenter.digest, network.digest)
    if check.verdict == "right":
        check = judge(what, _compare_with_card(subject, network, segmenter), check.said)
    if check.verdict == "right":
        subject.networks[network.name] = segmenter
    yield check


def _open(subject: Subject, network: SegmenterRecord) -> Segmenter:
    """Open a network on the device of the run, or on the CPU if there is no such device."""
    import torch  # imported late: importing torch takes seconds, and external scores do not need it

    on_gpu = network.device.startswith("cuda") and torch.cuda.is_available()
    return subject.run.access.open_network(network, subject.run.registry, "cuda" if on_gpu else "cpu")


def _compare_with_card(subject: Subject, network: SegmenterRecord, segmenter: Segmenter) -> Iterator[str]:
    stated = {
        "name": (network.name, segmenter.name),
        "classes": (subject.record.classes, segmenter.classes.name),
        "expected mIoU": (network.expected_miou, segmenter.expected.miou),
        "expected mean confidence": (network.expected_mean_confidence, segmenter.expected.mean_confidence),
    }
    for fact, (recorded, actual) in stated.items():
        if recorded != actual:
            yield f"plan.json has {fact} {recorded!r}; the network has {actual!r}"
