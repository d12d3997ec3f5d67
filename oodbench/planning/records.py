"""Records of a plan, stored in the run's folder. The plan's digest identifies the run and does not cover paths."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import ByteSize, Field

from oodbench.contracts import ComponentSizes, Requirements, Roots, Scoring
from oodbench.errors import UnknownNameError
from oodbench.files import digest_bytes
from oodbench.frozen_record import FrozenRecord
from oodbench.planning.frame_record import FrameRecord
from oodbench.text import Digest, Facts, Label, Name, Note, OptionalLabel, PublicName
from oodbench.types import FrameSet

PLAN_SCHEMA: Final = 2

FIGURE_FRAMES = 4
"""Number of frames per benchmark that figures show."""

PHOTOGRAPHS = "photographs"
"""Name of the benchmark in a plan for images without labels."""

KeepScores: TypeAlias = Literal["all", "figures", "measurements", "none"]
"""What to keep after evaluation: all score maps, those of the frames in figures, the measurements of all maps, or
nothing."""

MEASUREMENT_BYTES, MEASUREMENT_OVERHEAD = 2, 1 << 17
"""Size of the measurement of a score map per pixel and per frame, on disk and in memory."""

BUCKETED_BYTES = 0.25
"""Size of the same per pixel on disk if the scores are counted in buckets."""

DEFAULT_MEMORY: Final = ByteSize(2 << 30)
"""Memory for the measurements of one scorer on one benchmark: enough for a billion pixels."""

Anomalous: TypeAlias = Literal["higher", "lower"]
"""Direction of external scores: whether higher or lower scores are anomalous."""


class RootsRecord(FrozenRecord):
    """The folders that were searched, from which the frames can be found again."""

    anywhere: tuple[Path, ...]
    named: dict[str, tuple[Path, ...]]

    @staticmethod
    def of(roots: Roots) -> RootsRecord:
        """Return the record of these folders."""
        return RootsRecord(anywhere=roots.anywhere, named=dict(roots.named))

    def roots(self) -> Roots:
        """Return the recorded folders."""
        return Roots(self.anywhere, self.named)


class SegmenterRecord(FrozenRecord):
    """A network of the plan."""

    name: Name
    source: str
    card: str | None
    checkpoint: str | None = None
    digest: Digest
    device: Name
    expected_miou: float | None
    expected_mean_confidence: float | None


class FrameSetRecord(FrozenRecord):
    """The frames of a benchmark, or those of a dataset that one stage uses.

    Attributes:
        name: The name of the benchmark or dataset.
        title: Its title, for tables and figures.
        split: The name of the split; empty for a benchmark.
        layout: The layout in which the frames were found.
        folder: The folder in which they were found; None for frames that are in no folder.
        expected: Number of frames in a complete copy.
        warnings: Warnings about this copy and about a limit.
        frames: One record per frame.
        components: The minimum sizes of components.
    """

    name: PublicName
    title: Label
    split: OptionalLabel
    layout: Label
    folder: Path | None
    expected: int
    warnings: tuple[Note, ...]
    frames: tuple[FrameRecord, ...]
    components: ComponentSizes

    @property
    def digest(self) -> str:
        """The digest of the frames and their groups."""
        return digest_bytes(json.dumps([[frame.digest, frame.group] for frame in self.frames]).encode())

    @property
    def measurement_bytes(self) -> int:
        """The size of the measurements of one scorer on all frames, about two bytes per pixel."""
        return sum(MEASUREMENT_BYTES * frame.height * frame.width + MEASUREMENT_OVERHEAD for frame in self.frames)

    @property
    def figure_frames(self) -> tuple[str, ...]:
        """The ids of the frames that figures show: four evenly spaced ones, or all if there are fewer."""
        return tuple(self.frames[index].id for index in self.spaced_frames(FIGURE_FRAMES))

    def spaced_frames(self, count: int) -> list[int]:
        """Return the indices of evenly spaced frames, or of all if there are fewer."""
        last, shown = len(self.frames) - 1, min(count, len(self.frames))
        return [round(index * last / max(shown - 1, 1)) for index in range(shown)]

    def kept_frames(self, keep_scores: KeepScores) -> frozenset[int]:
        """Return the indices of the frames whose maps are stored."""
        if keep_scores == "all":
            return frozenset(range(len(self.frames)))
        shown = self.figure_frames if keep_scores == "figures" else ()
        return frozenset(index for index, frame in enumerate(self.frames) if frame.id in shown)

    @staticmethod
    def of(
        name: str,
        title: str,
        split: str,
        found: FrameSet,
        records: Sequence[FrameRecord],
        components: ComponentSizes,
    ) -> FrameSetRecord:
        """Return the record of the chosen frames of a set; add a warning if frames are missing or left out."""
        warnings, count = list(found.warnings), len(found.frames)
        set_name = f"{name} {split}".strip()
        if count != found.expected:
            warnings.append(f"{set_name}: {count} of {found.expected} frames")
        if len(records) != count:
            warnings.append(f"{set_name}: limited to {len(records)} of {count} frames")
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


class ExternalScoresRecord(FrozenRecord):
    """External scores: score maps that other code wrote.

    Attributes:
        folder: The folder from which they were read.
        anomalous: Whether higher or lower scores are anomalous, as the user stated.
        calibration: The folder of their maps of in-distribution frames; None if they are not calibrated.
        notes: What a reader must know before quoting results of these scores.
    """

    folder: Path
    anomalous: Anomalous
    calibration: Path | None = None
    notes: tuple[Note, ...]


class ScorerRecord(FrozenRecord):
    """A method on a network, or external scores.

    Attributes:
        key: Name of the stored fit, calibration and maps: a digest of everything except the frames that affects the
            scores.
        network: The name of the network.
        spec: The method as `--method` takes it.
        method: The name of the method.
        params: The parameters of the method.
        label: The method's title with the parameters that differ from their defaults.
        version: The version on the method's card.
        fits: Whether the method is fitted.
        given: The record of external scores; None for a method.
        source_digest: Digest of the code of a plugin method; None for methods of this package.
        requirements: What the method needs beyond a trained network.
    """

    key: Annotated[str, Field(pattern=r"^\w[\w.@+-]*$")]
    network: Name
    spec: Note
    method: PublicName
    params: Facts
    label: Label
    version: int
    fits: bool
    given: ExternalScoresRecord | None = None
    source_digest: str | None = None
    requirements: Requirements = Requirements()


class SkippedPair(FrozenRecord):
    """A network and a method that can't be combined, with the reason."""

    network: Name
    method: Label
    reason: Note


class PlanRecord(FrozenRecord):
    """Everything that a run does, decided before it starts.

    Attributes:
        protocols: Maps the name of each benchmark to the names of its protocols.
        chosen: Whether the frames of the benchmarks were chosen by their ids.
        keep_scores: What stays after evaluation.
        memory: Memory in bytes for the measurements of one scorer on one benchmark.
        classes: The name of the class set; None for external scores.
    """

    schema_version: Literal[2] = PLAN_SCHEMA
    networks: tuple[SegmenterRecord, ...]
    scorers: tuple[ScorerRecord, ...]
    skipped: tuple[SkippedPair, ...]
    benchmarks: tuple[FrameSetRecord, ...]
    fit: FrameSetRecord | None
    calibrate: FrameSetRecord | None
    scoring: Scoring
    protocols: dict[PublicName, tuple[PublicName, ...]]
    seed: int
    batch_size: int = Field(ge=1)
    limit: int | Literal["all"] | None
    chosen: bool = False
    keep_scores: KeepScores = "all"
    memory: int = DEFAULT_MEMORY
    data: RootsRecord
    id_data: RootsRecord
    plugins: tuple[Path, ...]
    classes: Name | None

    @property
    def digest(self) -> str:
        """Identity of the run: digest of networks, methods, frames, scoring, seed and batch size.

        Paths are not part of it. Protocols and `keep_scores` are not part of it either: they do not change the scores.
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

    @property
    def protocol_names(self) -> tuple[str, ...]:
        """The names of the protocols of any benchmark, without repetition."""
        return tuple(dict.fromkeys(name for names in self.protocols.values() for name in names))

    def is_bucketed(self, benchmark: FrameSetRecord) -> bool:
        """Return whether the scores of a benchmark are counted in buckets, which bound its results.

        This is the case if neither all maps nor all measurements are kept, and the measurements exceed the memory.
        """
        return self.keep_scores in ("figures", "none") and benchmark.measurement_bytes > self.memory

    def network(self, name: str) -> SegmenterRecord:
        """Return the record of a network."""
        return next(network for network in self.networks if network.name == name)

    def benchmark(self, name: str) -> FrameSetRecord:
        """Return the record of a benchmark.

        Raises:
            UnknownNameError: The plan has no such benchmark.
        """
        for benchmark in self.benchmarks:
            if benchmark.name == name:
                return benchmark
        raise UnknownNameError("benchmark in this run", name, [benchmark.name for benchmark in self.benchmarks])

    def scorer(self, network: str, label: str) -> ScorerRecord:
        """Return the record of the scorer with this label on a network."""
        return next(scorer for scorer in self.scorers if (scorer.network, scorer.label) == (network, label))

    def differences(self, other: PlanRecord) -> list[str]:
        """Describe the differences between this plan and another one."""
        ours, theirs = self._describe(), other._describe()
        changes = [f"{name}: {theirs[name]} there, {text} here" for name, text in ours.items() if theirs[name] != text]
        return changes or ["the content of the frames, of the fit, or a method's version"]

    def _describe(self) -> dict[str, str]:
        sets = [*self.benchmarks, *(part for part in (self.fit, self.calibrate) if part)]
        return {
            "networks": ", ".join(f"{network.name} {network.digest[:8]}" for network in self.networks),
            "methods": ", ".join(sorted({scorer.label for scorer in self.scorers})),
            "code of plugin methods": ", ".join(
                sorted({f"{s.label} {s.source_digest[:8]}" for s in self.scorers if s.source_digest})
            ),
            "frames": ", ".join(f"{part.name} {part.split} ({len(part.frames)})".replace("  ", " ") for part in sets),
            "chosen frames": ", ".join(frame.id for part in self.benchmarks for frame in part.frames)
            if self.chosen
            else "none",
            "upsample": self.scoring.upsample,
            "resize": self.scoring.resize,
            "seed": str(self.seed),
        }
