"""The stored result of one scorer on one benchmark under one protocol, and the file with all results of a run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from pydantic import Field
from typing_extensions import override

from oodbench.contracts.protocol import Protocol, Scoring
from oodbench.contracts.uncertainty import Bracket, Intervals
from oodbench.frozen_record import FrozenRecord
from oodbench.text import Facts, Label, Name, Note, Paragraph, PublicName

RESULT_SCHEMA: Final = 2
RESULTS_FILE_SCHEMA: Final = 2


def _measured(title: str, unit: Literal["ms", "s", "MB"], description: str) -> Any:
    """Return a field of `Cost` with the declaration of its column for the metric registry."""
    return field(default=None, metadata={"title": title, "unit": unit, "description": description})


@dataclass(frozen=True)
class Cost:
    """The time and memory that scoring took; None if not measured. Tables can show each field as a column.

    Attributes:
        forward_ms: Time of the forward pass, which all methods share, in ms: the median per frame.
        summary_ms: Time to find the largest logit and similar values of each pixel, in ms: the median per frame. The
            methods that read logits share this step.
        score_ms: Time of the method's own part, in ms: the median per frame.
        fit_s: Time of the method's own part of the fit, in which it learns from labelled frames, in seconds.
        peak_memory_mb: Peak memory of the process that computed the metrics, in MB.

    Examples:
        >>> from oodbench.contracts import Cost
        >>> Cost(forward_ms=12.5).record()["forward_ms"]
        12.5
    """

    forward_ms: float | None = _measured("Network, ms", "ms", "forward pass, which all methods share, median per frame")
    summary_ms: float | None = _measured(
        "Summary, ms", "ms", "pass over the logits, which some methods share, median per frame"
    )
    score_ms: float | None = _measured("Scoring, ms", "ms", "the method's own part, median per frame")
    fit_s: float | None = _measured("Fit, s", "s", "the method's own part of the fit")
    peak_memory_mb: float | None = _measured("Memory, MB", "MB", "peak memory of the process that evaluated")

    def record(self) -> dict[str, float | None]:
        """Return the times and the memory by name."""
        return asdict(self)


class Result(FrozenRecord):
    """The metrics of one method and network on one benchmark under one protocol, with everything they depend on.

    Files write null for None.

    Attributes:
        schema_version: Version of this record's format.
        method: Public name of the method.
        params: Parameters of the method, including defaults.
        label: Name of the method in tables, with the parameters that differ from the defaults.
        network: Name of the network.
        benchmark: Public name of the benchmark.
        layout: Name of the folder structure in which the benchmark was found.
        scoring: Resolution at which scores were computed, see Scoring.
        protocol: Rules that turn scores into metrics, see Protocol.
        metrics: Maps each metric of the protocol to its value as a fraction; null if undefined. The value of a metric
            with a bracket is the midpoint of the bracket.
        undefined: Maps each undefined metric to the reason.
        brackets: Maps each metric that was computed from histograms of the scores to guaranteed bounds of its exact
            value, [low, high], as fractions; empty if all metrics are exact.
        intervals: Bootstrap intervals of the metrics: level, method, unit (frames or groups), units (their number),
            resamples, bounds (metric: low, high), undefined (metric: reason); null if there are none.
        counts: Numbers of frames and pixels: frames, expected_frames (of a complete copy), frames_without_anomaly,
            anomaly_pixels, in_distribution_pixels, void_pixels.
        components: Details of the metrics of whole objects: the minimum sizes, the overlaps (taus); for each threshold
            its value, the numbers of objects and predictions, and tp, fn, fp, f1 at each overlap.
        fit: Facts about what the method learned from labelled frames, such as the number of frames; empty if it learns
            nothing.
        cost: Time and memory; null if not measured.
        environment: Versions of the software, processor, device, number of threads.
        seed: The seed of the run.
        digests: Hashes of the network, of the data (frames and labels) and of the scores (stored score maps).
        warnings: Warnings that a reader must know before quoting the numbers.

    Examples:
        >>> import oodbench
        >>> run = oodbench.run(
        ...     models="streets-softmax", methods="msp", benchmarks="streets-anomaly", limit=1, id_limit=1,
        ...     stop_after="evaluate", out="run",
        ... )
        >>> result = run.results[0]
        >>> result.method, result.protocol.name, result.scoring.upsample, sorted(result.metrics)
        ('msp', 'pooled', 'logits', ['AP', 'AUROC', 'FPR95'])
    """

    schema_version: Literal[2] = RESULT_SCHEMA
    method: PublicName
    params: Facts
    label: Label
    network: Name
    benchmark: PublicName
    layout: Label
    scoring: Scoring
    protocol: Protocol
    metrics: dict[Name, float | None]
    undefined: dict[Name, Note]
    brackets: dict[Name, Bracket] = Field(default={})
    intervals: Intervals | None = None
    counts: dict[Name, int]
    components: Facts = Field(default={})
    fit: Facts
    cost: Cost
    environment: dict[Name, Note]
    seed: int
    digests: dict[Name, Note]
    warnings: list[Note]

    @property
    def bracket_widths(self) -> dict[str, float]:
        """The width of each bracket, as a fraction."""
        return {name: high - low for name, (low, high) in self.brackets.items()}


def group_comparable(results: Iterable[Result]) -> dict[tuple[Scoring, str], list[Result]]:
    """Group results that can be compared, by scoring and name of the protocol.

    How external scores were computed is not known. They join the other results under their protocol if these have a
    single scoring.

    Args:
        results: The results.

    Returns:
        Maps (scoring, name of the protocol) to the results, in their order.

    Examples:
        >>> import oodbench
        >>> from oodbench.contracts import group_comparable
        >>> run = oodbench.run(
        ...     models="streets-softmax", methods=["msp", "energy"], benchmarks="streets-anomaly", limit=1, id_limit=1,
        ...     stop_after="evaluate", out="run",
        ... )
        >>> [(scoring.upsample, name, len(group)) for (scoring, name), group in group_comparable(run.results).items()]
        [('logits', 'pooled', 2)]
    """
    results = list(results)
    scorings: dict[str, dict[Scoring, None]] = {}
    for result in results:
        if not result.scoring.is_external:
            scorings.setdefault(result.protocol.name, {})[result.scoring] = None
    groups: dict[tuple[Scoring, str], list[Result]] = {}
    for result in results:
        others = list(scorings.get(result.protocol.name, ()))
        joins = result.scoring.is_external and len(others) == 1
        groups.setdefault((others[0] if joins else result.scoring, result.protocol.name), []).append(result)
    return groups


def content_digest(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the content of a result.json without its field `digest`, as canonical JSON."""
    rest = {name: value for name, value in content.items() if name != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


class FailedBenchmark(FrozenRecord):
    """A benchmark of a run that has no results, because computing its score maps or its metrics failed.

    Attributes:
        benchmark: Public name of the benchmark.
        stage: The stage that failed: `score` (computing score maps) or `evaluate` (computing metrics).
        problem: What is wrong, with the file and the value.
        remedy: The command or the change that fixes it.

    Examples:
        >>> from oodbench.contracts import FailedBenchmark
        >>> str(FailedBenchmark(benchmark="grey", stage="score", problem="0.png: not a whole image file", remedy=None))
        'grey failed (score): 0.png: not a whole image file'
    """

    benchmark: PublicName
    stage: Name
    problem: Paragraph
    remedy: Paragraph | None

    @override
    def __str__(self) -> str:
        return f"{self.benchmark} failed ({self.stage}): {self.problem}"


class ResultsFile(FrozenRecord):
    """The content of result.json, the file with all results in the folder of a run.

    Attributes:
        schema_version: Version of this file's format.
        plan: Hash of the plan (the settings in plan.json) that the results belong to.
        results: Maps each protocol (rules of evaluation) to its results, in the order of the plan.
        failed: Benchmarks without results, because they failed.
        skipped: Pairs of method and network that did not run, with the reason.
        quality: Maps each network to its segmentation quality, such as mIoU, on labelled in-distribution frames.
        digest: Hash of the rest of this file. A file that was edited or damaged has another one.

    Examples:
        >>> from pathlib import Path
        >>> import oodbench
        >>> from oodbench.contracts import ResultsFile
        >>> run = oodbench.run(
        ...     models="streets-softmax", methods="msp", benchmarks="streets-anomaly", limit=1, id_limit=1,
        ...     stop_after="evaluate", out="run",
        ... )
        >>> content = ResultsFile.model_validate_json(Path("run/result.json").read_text())
        >>> [result.label for result in content.under(["pooled"])]
        ['MSP']
    """

    schema_version: Literal[2] = RESULTS_FILE_SCHEMA
    plan: Name
    results: dict[PublicName, list[Result]]
    failed: list[FailedBenchmark]
    skipped: list[Mapping[Name, Note]]
    quality: dict[Name, Facts]
    digest: str = ""

    def sealed(self) -> ResultsFile:
        """Return the content with the digest that it must have."""
        return self.model_copy(update={"digest": content_digest(self.model_dump(mode="json"))})

    def under(self, protocols: Sequence[str]) -> Iterator[Result]:
        """Yield the results under some protocols, in the order of the protocols.

        Args:
            protocols: Names of the protocols; those without results are skipped.
        """
        for protocol in protocols:
            yield from self.results.get(protocol, ())
