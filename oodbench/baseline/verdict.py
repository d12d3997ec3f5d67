"""Comparison of two measurements: whether they can be compared, and which metrics changed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from decimal import Decimal
from typing import Any, Literal, TypeAlias

from oodbench.baseline.records import MeasuredResults, RowRecord
from oodbench.contracts import Bracket, Protocol, Scoring, metric_spec

Outcome: TypeAlias = Literal["worse", "better", "within", "not gated"]

# Points. Other processors and numbers of threads change the last digits, which a table with two decimals hides.
_STILL = Decimal("0.005")


@dataclass(frozen=True)
class Move:
    """A change of one metric of one result.

    Attributes:
        network: Name of the network.
        method: Public name of the method.
        label: The method with the parameters that differ from the defaults.
        benchmark: Public name of the benchmark.
        protocol: Name of the protocol, the rules that turn scores into metrics.
        metric: Name of the metric.
        baseline: The accepted value, a fraction; the midpoint of its bracket if it has one.
        now: The new value, as `baseline`.
        points: now - baseline, in percentage points.
        tolerance: Percentage points by which the metric may get worse; None: the metric has no tolerance.
        outcome: `worse` or `better`: the metric changed by more than the tolerance. `within`: it changed by at most the
            tolerance. `not gated`: the metric has no tolerance, so its change does not affect `Verdict.passed`. A
            change between brackets is `worse` or `better` only if it is for all values in both brackets.
        baseline_bracket: The guaranteed bounds of the accepted value; None if it is exact.
        now_bracket: The guaranteed bounds of the new value; None if it is exact.
    """

    network: str
    method: str
    label: str
    benchmark: str
    protocol: str
    metric: str
    baseline: float
    now: float
    points: float
    tolerance: float | None
    outcome: Outcome
    baseline_bracket: Bracket | None = None
    now_bracket: Bracket | None = None


@dataclass(frozen=True)
class Verdict:
    """The changes between the baseline (a file with the results of an accepted run) and a later run.

    Attributes:
        moves: The changed metrics, sorted by network, method, benchmark and protocol (rules of evaluation). Each has
            the old value (`baseline`), the new one (`now`), their difference in percentage points and an `outcome`.
        unmoved: Number of metrics without a change: undefined before and now, or changed by less than 0.005 percentage
            points and not by more than the tolerance.
        tolerances: Maps each metric to the percentage points by which it may get worse.
        new: The results that only the run has, one text each. They do not affect `passed`.

    Examples:
        >>> import oodbench
        >>> _ = oodbench.run(
        ...     models="streets-softmax", methods="msp", benchmarks="streets-anomaly", limit=1, id_limit=1,
        ...     stop_after="evaluate", out="run",
        ... )
        >>> _ = oodbench.accept("run", "baseline.json")
        >>> verdict = oodbench.gate("run", "baseline.json")
        >>> verdict.moves, verdict.unmoved, verdict.passed
        ((), 3, True)
    """

    moves: tuple[Move, ...]
    unmoved: int
    tolerances: Mapping[str, float]
    new: tuple[str, ...] = ()

    @property
    def worse(self) -> tuple[Move, ...]:
        """The metrics that got worse by more than their tolerance."""
        return tuple(move for move in self.moves if move.outcome == "worse")

    @property
    def passed(self) -> bool:
        """Whether no metric got worse by more than its tolerance."""
        return not self.worse


def find_differences(before: MeasuredResults, now: MeasuredResults) -> list[str]:
    """Return the reasons why the two can't be compared; empty if they can.

    Networks, methods, benchmarks, protocols and results that only `now` has are not reasons.

    Args:
        before: The measurement of the baseline.
        now: The measurement of the run.
    """
    reasons = _list_changes("scoring", _fill_defaults(Scoring, before.scoring), _fill_defaults(Scoring, now.scoring))
    reasons += _list_missing("networks", (r.network for r in before.rows), (r.network for r in now.rows))
    reasons += _list_missing("methods", (r.label for r in before.rows), (r.label for r in now.rows))
    reasons += _list_missing("benchmarks", before.benchmarks, now.benchmarks)
    for name, part in before.benchmarks.items():
        reasons += _list_changes(f"frames of {name}", dict(part), dict(now.benchmarks.get(name, part)))
    reasons += _list_missing("protocols", before.protocols, now.protocols)
    for name, rules in before.protocols.items():
        other = now.protocols.get(name, rules)
        reasons += _list_changes(f"protocol {name}", _fill_defaults(Protocol, rules), _fill_defaults(Protocol, other))
    old, new = ({row.key: row for row in measured.rows} for measured in (before, now))
    for key in sorted(old.keys() - new.keys()):
        # A result that is missing with its whole network, method, benchmark or protocol is reported above.
        if all({k[part] for k in old} & {k[part] for k in new} & {name} for part, name in enumerate(key)):
            reasons.append(f"result only in the baseline: {old[key].title}")
    for key in sorted(old.keys() & new.keys()):
        reasons += _row_differences(old[key], new[key])
    return list(dict.fromkeys(reasons))


def _row_differences(before: RowRecord, now: RowRecord) -> list[str]:
    reasons = []
    for what in ("method", "params"):
        reasons += _list_changes(before.label, {what: getattr(before, what)}, {what: getattr(now, what)})
    fits = [row.fit.model_dump() if row.fit else {} for row in (before, now)]
    reasons += _list_changes(f"fit of {before.label}", *fits)
    reasons += _list_missing(f"metrics of {before.title}", before.metrics, now.metrics)
    for metric in before.metrics.keys() & now.metrics.keys():
        values = before.metrics[metric], now.metrics[metric]
        if (values[0] is None) != (values[1] is None):
            texts = [
                f"undefined ({row.undefined.get(metric, 'no reason given')})" if value is None else repr(value)
                for row, value in zip((before, now), values, strict=True)
            ]
            reasons.append(f"{before.title}: {metric} is {texts[0]} in the baseline, {texts[1]} now")
    return sorted(reasons)


def _list_missing(what: str, before: Iterable[str], now: Iterable[str]) -> list[str]:
    old, new = set(before), set(now)
    parts = {"only in the baseline": old - new, "only in this run": new - old, "in both": old & new}
    if old <= new:
        return []
    return [f"{what}: " + "; ".join(f"{where} {', '.join(sorted(part))}" for where, part in parts.items() if part)]


def _list_changes(what: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    texts = [
        f"{name} is {_text(before.get(name))} in the baseline, {_text(now.get(name))} now"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    ]
    return [f"{what}: {'; '.join(texts)}"] if texts else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _fill_defaults(kind: type[Scoring | Protocol], record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record with the defaults of fields that were added after it was written."""
    return {f.name: f.default for f in fields(kind) if f.default is not MISSING} | dict(record)


def compare(before: MeasuredResults, now: MeasuredResults, tolerances: Mapping[str, float]) -> Verdict:
    """Compare two measurements between which `find_differences` finds none.

    The tolerance of a metric is `tolerances`, or its variation between seeds if that is larger.

    Args:
        before: The measurement of the baseline.
        now: The measurement of the run.
        tolerances: Metric -> points by which it may get worse.
    """
    today = {row.key: row for row in now.rows}
    moves, unmoved = [], 0
    for row in before.rows:
        for metric in row.metrics:
            tolerance = tolerances.get(metric)
            if tolerance is not None:
                tolerance = max(tolerance, row.chance.get(metric, 0.0))
            move = _move(row, today[row.key], metric, tolerance)
            if move is None:
                unmoved += 1
            else:
                moves.append(move)
    known_keys = {row.key for row in before.rows}
    new = tuple(row.title for row in now.rows if row.key not in known_keys)
    return Verdict(tuple(moves), unmoved, dict(tolerances), new)


def _move(before: RowRecord, now: RowRecord, metric: str, tolerance: float | None) -> Move | None:
    """Return the change of a metric, or None if it did not change."""
    old, new = before.metrics[metric], now.metrics[metric]
    old_bounds, new_bounds = before.bounds(metric), now.bounds(metric)
    if old is None or new is None or old_bounds is None or new_bounds is None:
        return None
    # In decimals, as the two files write them: 0.49 is exactly one point below 0.5, which binary floats can't express.
    points = _subtract(new, old)
    least, most = _subtract(new_bounds[0], old_bounds[1]), _subtract(new_bounds[1], old_bounds[0])
    outcome: Outcome = "within"
    if tolerance is None:
        outcome = "not gated"
    elif max(least, -most) > Decimal(repr(float(tolerance))):
        outcome = "better" if (least > 0) == metric_spec(metric).higher_is_better else "worse"
    if points == 0 or (abs(points) < _STILL and outcome in ("within", "not gated")):
        return None
    who = (before.network, before.method, before.label, before.benchmark, before.protocol)
    brackets = before.brackets.get(metric), now.brackets.get(metric)
    return Move(*who, metric, old, new, float(points), tolerance, outcome, *brackets)


def _subtract(new: float, old: float) -> Decimal:
    """Return the change of a fraction in points."""
    return 100 * (Decimal(repr(new)) - Decimal(repr(old)))
