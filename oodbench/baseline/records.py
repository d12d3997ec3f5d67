"""The baseline as it is kept: what an accepted run measured, and on what.

It names no path, time, machine or digest of weights: the network is what is judged, and it is known by its name.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from oodbench.contracts import metrics_of

BASELINE_SCHEMA = 1

_NAMES = "|".join(re.escape(spec.name) for spec in metrics_of("anomaly"))
Metric: TypeAlias = Annotated[str, Field(pattern=f"^({_NAMES})$")]

Tolerances: TypeAlias = dict[Metric, Annotated[float, Field(strict=True, ge=0, le=100)]]
"""metric -> points (percent) by which it may get worse. A metric that is not in it does not gate."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BenchmarkRecord(_Record):
    """The frames of a benchmark: how many, and the digest of images and labels."""

    frames: int
    data: str


class FitRecord(_Record):
    """What a method was fitted on."""

    dataset: str
    split: str
    frames: int


class RowRecord(_Record):
    """One row: who, on what, and its metrics as fractions; null where undefined, with the reason.

    `chance`: metric -> points by which another seed may move it (baseline.chance); in baselines alone.
    """

    network: str
    label: str
    benchmark: str
    protocol: str
    method: str
    params: dict[str, Any]
    fit: FitRecord | None = None
    metrics: dict[Metric, Annotated[float, Field(strict=True, allow_inf_nan=False)] | None]
    undefined: dict[str, str] = {}
    chance: dict[Metric, Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]] = {}

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What is one row: network, method, benchmark, protocol."""
        return self.network, self.label, self.benchmark, self.protocol

    @property
    def title(self) -> str:
        """The same, to be read."""
        return f"{self.label} on {self.network}, {self.benchmark} ({self.protocol})"


def _sorted(rows: tuple[RowRecord, ...]) -> tuple[RowRecord, ...]:
    return tuple(sorted(rows, key=lambda row: row.key))


class Measurement(_Record):
    """What a run measured, without what belongs to its machine.

    Attributes:
        scoring: where scores were computed (contracts.Scoring).
        protocols: name -> rules (contracts.Protocol) but for their source, a text.
        benchmarks: name -> frames.
        rows: sorted by network, method, benchmark, protocol.
    """

    scoring: dict[str, Any]
    protocols: dict[str, dict[str, Any]]
    benchmarks: dict[str, BenchmarkRecord]
    rows: Annotated[tuple[RowRecord, ...], Field(min_length=1), AfterValidator(_sorted)]

    def repeated(self) -> list[str]:
        """Rows that are there twice."""
        keys = [row.key for row in self.rows]
        return [row.title for index, row in enumerate(self.rows) if row.key in keys[:index]]


class Baseline(_Record):
    """The content of a baseline file."""

    schema_version: int
    tolerances: Tolerances = Field(min_length=1)
    measured: Measurement
