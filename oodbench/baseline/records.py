"""The records of a baseline file: the results of an accepted run, and the data they refer to.

They contain no path, time, machine or digest of weights: the gate tests the network, which is identified by its name.
"""

from __future__ import annotations

import re
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field

from oodbench.contracts import Bracket, metrics_of
from oodbench.frozen_record import FrozenRecord
from oodbench.text import Facts, Label, Name, Note, PublicName

BASELINE_SCHEMA = 1

_NAMES = "|".join(re.escape(spec.name) for spec in metrics_of("anomaly"))
Metric: TypeAlias = Annotated[str, Field(pattern=f"^({_NAMES})$")]

Tolerances: TypeAlias = dict[Metric, Annotated[float, Field(strict=True, ge=0, le=100)]]
"""Metric -> points (percent) by which it may get worse. A metric that is not listed is not gated."""


class BenchmarkRecord(FrozenRecord):
    """The number of frames of a benchmark, and the digest of their images and labels."""

    frames: int
    data: Name


class FitRecord(FrozenRecord):
    """The frames on which a method was fitted."""

    dataset: Name
    split: Label
    frames: int


class RowRecord(FrozenRecord):
    """One result: its scorer, benchmark and protocol, and its metrics as fractions.

    An undefined metric is null, with the reason in `undefined`. A metric with guaranteed bounds in `brackets` is their
    midpoint. `chance` is only in baselines: metric -> points by
    which another seed may change it (`oodbench.baseline.seed_noise`).
    """

    network: Name
    label: Label
    benchmark: PublicName
    protocol: PublicName
    method: PublicName
    params: Facts
    fit: FitRecord | None = None
    metrics: dict[Metric, Annotated[float, Field(strict=True, allow_inf_nan=False)] | None]
    undefined: dict[Metric, Note] = Field(default_factory=dict)
    brackets: dict[Metric, Bracket] = Field(default_factory=dict)
    chance: dict[Metric, Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]] = Field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str, str]:
        """The identity of the result: network, method, benchmark, protocol."""
        return self.network, self.label, self.benchmark, self.protocol

    def bounds(self, metric: str) -> Bracket | None:
        """Return the bounds of a metric, which are equal if it is exact; None if it is undefined."""
        value = self.metrics[metric]
        return None if value is None else self.brackets.get(metric, (value, value))

    @property
    def title(self) -> str:
        """The identity of the result as text."""
        return f"{self.label} on {self.network}, {self.benchmark} ({self.protocol})"


def _sorted(rows: tuple[RowRecord, ...]) -> tuple[RowRecord, ...]:
    return tuple(sorted(rows, key=lambda row: row.key))


class MeasuredResults(FrozenRecord):
    """The results of a run, without anything specific to its machine.

    Attributes:
        scoring: The resolution at which scores were computed (contracts.Scoring).
        protocols: Name -> rules (contracts.Protocol), without their source.
        benchmarks: Name -> frames.
        rows: The results, sorted by network, method, benchmark and protocol.
    """

    scoring: Facts
    protocols: dict[PublicName, Facts]
    benchmarks: dict[PublicName, BenchmarkRecord]
    rows: Annotated[tuple[RowRecord, ...], Field(min_length=1), AfterValidator(_sorted)]

    def repeated(self) -> list[str]:
        """Return the titles of results that occur more than once."""
        keys = [row.key for row in self.rows]
        return [row.title for index, row in enumerate(self.rows) if row.key in keys[:index]]


class Baseline(FrozenRecord):
    """The content of a baseline file."""

    schema_version: int
    tolerances: Tolerances = Field(min_length=1)
    measured: MeasuredResults
