"""Check of plan.json: its names are unique and refer to each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from oodbench.metrics import PROTOCOLS
from oodbench.planning.records import PlanRecord
from oodbench.runs.verification.check import VerificationCheck, judge


def check_plan(record: PlanRecord) -> VerificationCheck:
    """Check that all names in a plan are unique and refer to each other."""
    names = {part.name for part in record.benchmarks}
    counts = f"networks: {len(record.networks)}, scorers: {len(record.scorers)}, benchmarks: {len(names)}"
    return judge("plan", _find_inconsistencies(record, names), f"{counts}, {record.digest[:12]}")


def _find_inconsistencies(record: PlanRecord, names: set[str]) -> Iterator[str]:
    parts = {
        "network": [network.name for network in record.networks],
        "scorer": [scorer.key for scorer in record.scorers],
        "label": [f"{scorer.label} on {scorer.network}" for scorer in record.scorers],
        "benchmark": [part.name for part in record.benchmarks],
    }
    for kind, values in parts.items():
        yield from (f"the {kind} {name} is listed twice" for name, count in Counter(values).items() if count > 1)
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
