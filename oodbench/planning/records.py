"""The plan as it is kept in the run's folder. Its digest is the identity of the run; paths are no part of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

from oodbench.contracts import ComponentSizes, Roots, Scoring
from oodbench.errors import UnknownNameError
from oodbench.files import digest_bytes
from oodbench.planning.frame_index import FrameRecord
from oodbench.types import FrameSet

PLAN_SCHEMA = 2

PHOTOGRAPHS = "photographs"
"""Stands for the benchmark in a plan for frames without labels."""

Anomalous: TypeAlias = Literal["higher", "lower"]
"""Which scores are the anomalous ones."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RootsRecord(_Record):
    """Roots, for finding the frames again."""

    anywhere: tuple[Path, ...]
    named: dict[str, tuple[Path, ...]]

    @staticmethod
    def of(roots: Roots) -> RootsRecord:
        return RootsRecord(anywhere=roots.anywhere, named=dict(roots.named))

    def roots(self) -> Roots:
        return Roots(self.anywhere, self.named)


class SegmenterRecord(_Record):
    """A network of the plan."""

    name: str
    source: str
    card: str | None
    checkpoint: str | None = None
    digest: str
    device: str
    expected_miou: float | None
    expected_mean_confidence: float | None


class FrameSetRecord(_Record):
    """The frames of a benchmark, or those of a dataset that one stage uses.

    Attributes:
        components: The smallest components that count.
    """

    name: str
    title: str
    split: str
    layout: str
    folder: Path | None
    expected: int
    warnings: tuple[str, ...]
    frames: tuple[FrameRecord, ...]
    components: ComponentSizes

    @property
    def digest(self) -> str:
        return digest_bytes(json.dumps([[frame.digest, frame.group] for frame in self.frames]).encode())

    @staticmethod
    def of(
        name: str,
        title: str,
        split: str,
        found: FrameSet,
        records: Sequence[FrameRecord],
        components: ComponentSizes,
    ) -> FrameSetRecord:
        """Of the chosen frames of a set that was found; frames that are left out are a warning."""
        warnings, there = list(found.warnings), len(found.frames)
        what = f"{name} {split}".strip()
        if there != found.expected:
            warnings.append(f"{what}: {there} of {found.expected} frames")
        if len(records) != there:
            warnings.append(f"{what}: limited to {len(records)} of {there} frames")
        return FrameSetRecord(
            name=name,
            title=title,
            split=split,
            layout=found.layout,
            folder=found.folder.absolute() if found.folder else None,
            expected=found.expected,
            warnings=tuple(warnings),
            frames=tuple(records),
            components=components,
        )


class ExternalScoresRecord(_Record):
    """Score maps that were given instead of computed.

    Attributes:
        folder: where they were read.
        anomalous: which of their scores were said to be anomalous.
        notes: what a reader has to know before quoting numbers that were made from them.
    """

    folder: Path
    anomalous: Anomalous
    notes: tuple[str, ...]


class ScorerRecord(_Record):
    """A method on a network, or score maps that were given.

    Attributes:
        key: names its stored fit, calibration and maps; the digest of all that its scores depend on but the frames.
        given: None of a method.
        source_digest: of the code of a method that is a plugin; None for methods of this package.
    """

    key: str
    network: str
    spec: str
    method: str
    params: dict[str, Any]
    label: str
    version: int
    fits: bool
    given: ExternalScoresRecord | None = None
    source_digest: str | None = None


class SkippedPair(_Record):
    """A pair that doesn't fit together."""

    network: str
    method: str
    reason: str


class PlanRecord(_Record):
    """Everything that a run does, decided before it starts.

    Attributes:
        protocols: benchmark -> names of the protocols under which it is evaluated.
        classes: The name of the class set; None for external scores.
    """

    schema_version: int = PLAN_SCHEMA
    networks: tuple[SegmenterRecord, ...]
    scorers: tuple[ScorerRecord, ...]
    skipped: tuple[SkippedPair, ...]
    benchmarks: tuple[FrameSetRecord, ...]
    fit: FrameSetRecord | None
    calibrate: FrameSetRecord | None
    scoring: Scoring
    protocols: dict[str, tuple[str, ...]]
    seed: int
    batch_size: int
    limit: int | Literal["all"] | None
    data: RootsRecord
    id_data: RootsRecord
    plugins: tuple[Path, ...]
    classes: str | None

    @property
    def digest(self) -> str:
        """What makes two runs the same: networks, methods, frames, scoring, seed, batches; not where they are.

        Nor the protocols: the same scores are evaluated under several.
        """
        parts = {
            "networks": [[network.name, network.digest, network.device] for network in self.networks],
            "scorers": [scorer.key for scorer in self.scorers],
            "benchmarks": [[part.name, part.digest] for part in self.benchmarks],
            "calibrate": self.calibrate.digest if self.calibrate else None,
            "scoring": self.scoring.identity(),
            "seed": self.seed,
            "batch_size": self.batch_size,
        }
        return digest_bytes(json.dumps(parts, sort_keys=True).encode())

    def network(self, name: str) -> SegmenterRecord:
        """Return the record of the network of that name."""
        return next(network for network in self.networks if network.name == name)

    def benchmark(self, name: str) -> FrameSetRecord:
        """Return the record of the benchmark of that name.

        Raises:
            UnknownNameError: The plan has no such benchmark.
        """
        for benchmark in self.benchmarks:
            if benchmark.name == name:
                return benchmark
        raise UnknownNameError("benchmark in this run", name, [benchmark.name for benchmark in self.benchmarks])

    def scorer(self, network: str, label: str) -> ScorerRecord:
        """Return the record of a network's scorer of that label."""
        return next(scorer for scorer in self.scorers if (scorer.network, scorer.label) == (network, label))

    def differences(self, other: PlanRecord) -> list[str]:
        """In words, in what this plan differs from another one."""
        ours, theirs = self._in_words(), other._in_words()
        found = [f"{name}: {theirs[name]} there, {text} here" for name, text in ours.items() if theirs[name] != text]
        return found or ["the content of the frames, of the fit, or a method's version"]

    def _in_words(self) -> dict[str, str]:
        sets = [*self.benchmarks, *(part for part in (self.fit, self.calibrate) if part)]
        return {
            "networks": ", ".join(f"{network.name} {network.digest[:8]}" for network in self.networks),
            "methods": ", ".join(sorted({scorer.label for scorer in self.scorers})),
            "code of plugin methods": ", ".join(
                sorted({f"{s.label} {s.source_digest[:8]}" for s in self.scorers if s.source_digest})
            ),
            "frames": ", ".join(f"{part.name} {part.split} ({len(part.frames)})".replace("  ", " ") for part in sets),
            "upsample": self.scoring.upsample,
            "resize": self.scoring.resize,
            "seed": str(self.seed),
        }
