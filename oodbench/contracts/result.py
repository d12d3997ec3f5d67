"""The stored result of one scorer on one benchmark under one protocol, and the file with all results of a run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from pydantic import Field
from typing_extensions import override

from oodbench.contracts.protocol import Protocol, Scoring
from oodbench.contracts.uncertainty import Intervals
from oodbench.frozen_record import FrozenRecord

RESULT_SCHEMA: Final = 2
RESULTS_FILE_SCHEMA: Final = 2


def _measured(title: str, unit: Literal["ms", "s", "MB"], description: str) -> Any:
    """Return a field of `Cost` with the declaration of its column for the metric registry."""
    return field(default=None, metadata={"title": title, "unit": unit, "description": description})


@dataclass(frozen=True)
class Cost:
    """The cost of scoring; each field is a column of the metric registry. None: not measured.

    Attributes:
        forward_ms: The forward pass, which all methods share, in ms: the median per frame.
        summary_ms: The pass over the logits, which pixel methods share, in ms: the median per frame.
        score_ms: The method's own part, in ms: the median per frame.
        fit_s: The method's own part of the fit, in seconds.
        peak_memory_mb: The peak memory of the process that evaluated, in MB.
    """

    forward_ms: float | None = _measured("Network, ms", "ms", "forward pass, which all methods share, median per frame")
    summary_ms: float | None = _measured(
        "Summary, ms", "ms", "pass over the logits, which some methods share, median per frame"
    )
    score_ms: float | None = _measured("Scoring, ms", "ms", "the method's own part, median per frame")
    fit_s: float | None = _measured("Fit, s", "s", "the method's own part of the fit")
    peak_memory_mb: float | None = _measured("Memory, MB", "MB", "peak memory of the process that evaluated")

    def record(self) -> dict[str, float | None]:
        """Return the costs by name."""
        return asdict(self)


class Result(FrozenRecord):
    """The metrics of one scorer on one benchmark under one protocol, with everything that they depend on."""

    schema_version: Literal[2] = Field(RESULT_SCHEMA, description="version of this record's layout")
    method: str = Field(description="public name of the method")
    params: dict[str, Any] = Field(description="parameters of the method, including defaults")
    label: str = Field(description="the method with the parameters that differ from the defaults; for tables")
    network: str = Field(description="name of the network")
    benchmark: str = Field(description="public name of the benchmark")
    layout: str = Field(description="folder layout in which the benchmark was found")
    scoring: Scoring = Field(description="resolution at which scores were computed, see Scoring")
    protocol: Protocol = Field(description="rules that turn scores into metrics, see Protocol")
    metrics: dict[str, float | None] = Field(
        description="fractions by the names of the metric registry, for the protocol's metrics; null if undefined"
    )
    undefined: dict[str, str] = Field(description="the reason for each null metric")
    intervals: Intervals | None = Field(
        None,
        description="level, method, unit (frames or groups), units, resamples, bounds (metric: low, high), undefined "
        "(metric: reason)",
    )
    counts: dict[str, int] = Field(
        description="frames, expected_frames, frames_without_anomaly, anomaly_pixels, in_distribution_pixels, "
        "void_pixels"
    )
    components: dict[str, Any] = Field(
        default={},
        description="details of the component metrics: the sizes, the taus; for each threshold its value, objects, "
        "predictions, and tp, fn, fp, f1 at each tau",
    )
    fit: dict[str, Any] = Field(description="facts of the fit: frames, pixels, classes that were pooled")
    cost: Cost = Field(description="time and memory, by the names of the metric registry; null if not measured")
    environment: dict[str, str] = Field(description="versions, processor, device, threads")
    seed: int = Field(description="the seed of the run")
    digests: dict[str, str] = Field(description="network, data (frames and labels), scores (the stored maps)")
    warnings: list[str] = Field(description="warnings that a reader must know before quoting the numbers")


def content_digest(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the content of a result.json without its field `digest`, as canonical JSON."""
    rest = {name: value for name, value in content.items() if name != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


class FailedBenchmark(FrozenRecord):
    """A benchmark that has no results, because scoring or evaluating it failed."""

    benchmark: str = Field(description="public name of the benchmark")
    stage: str = Field(description="the stage that failed: score or evaluate")
    problem: str = Field(description="what is wrong, with the file and the value")
    remedy: str | None = Field(description="the command or the change that fixes it")

    @override
    def __str__(self) -> str:
        return f"{self.benchmark} failed ({self.stage}): {self.problem}"


class ResultsFile(FrozenRecord):
    """The content of result.json."""

    schema_version: Literal[2] = Field(RESULTS_FILE_SCHEMA, description="version of this file's layout")
    plan: str = Field(description="digest of the plan that the results belong to")
    results: dict[str, list[Result]] = Field(description="protocol: its results, in the order of the plan")
    failed: list[FailedBenchmark] = Field(description="benchmarks without results, because they failed")
    skipped: list[Mapping[str, str]] = Field(description="pairs of method and network that do not fit, with the reason")
    quality: dict[str, dict[str, Any]] = Field(description="network: its closed-set quality on calibration frames")
    digest: str = Field("", description="digest of the rest of this file; a file that was edited or damaged differs")

    def sealed(self) -> ResultsFile:
        """Return the content with the digest that it must have."""
        return self.model_copy(update={"digest": content_digest(self.model_dump(mode="json"))})

    def under(self, protocols: Sequence[str]) -> Iterator[Result]:
        """Yield the results under these protocols, in the order of the protocols; absent protocols are skipped."""
        for protocol in protocols:
            yield from self.results.get(protocol, ())
