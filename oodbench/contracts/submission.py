"""What a leaderboard takes: written from a run's stored scores, checked by itself, read back and scored again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from oodbench.contracts.method import MethodCard, Parameters
from oodbench.contracts.protocol import Scoring
from oodbench.contracts.published import PublishedResult
from oodbench.errors import UsageError
from oodbench.types import AnomalyLabels, ClassMap, ClassSet, ScoreMap, Size

SIDE_FILE = "submission.json"
"""What the harness writes into the folder of a submission: what it was made from, and how."""

LARGEST_CHANGE = 1e-4
"""What a leaderboard's file format may change of exact AP and FPR95, as fractions."""

ProgressCallback = Callable[[str, int, str], AbstractContextManager[Callable[[int], None]]]
"""(title, total, unit) -> what to call with each part that is done."""


@dataclass(frozen=True)
class SubmissionCard:
    """The fact sheet of a leaderboard.

    Attributes:
        name: the public name.
        title: what people call it.
        url: where one submits.
        state: whether it takes submissions, and since when that is so.
        benchmarks: public names of the benchmarks whose frames it takes, or reads.
        images: it can be written image by image, by `oodbench predict --format NAME`.
    """

    name: str
    title: str
    url: str
    state: str
    benchmarks: tuple[str, ...]
    images: bool = False


@dataclass(frozen=True)
class KnownFrame:
    """A frame that a submission is to have.

    Attributes:
        benchmark: the benchmark's public name.
        index: its place among the frames of the benchmark, from 0.
        id: within the benchmark.
        size: (height, width) of its image.
    """

    benchmark: str
    index: int
    id: str
    size: Size


@dataclass(frozen=True)
class SubmittedFrame(KnownFrame):
    """A frame with what a run has of it. Pixels are read when a reader is called.

    Attributes:
        read_score: the stored score map, float32 [H, W], higher = more anomalous.
        read_prediction: the stored predicted classes; None where the run has none.
        read_labels: None where the labels are secret.
    """

    read_score: Callable[[], ScoreMap]
    read_prediction: Callable[[], ClassMap] | None
    read_labels: Callable[[], AnomalyLabels] | None


@dataclass(frozen=True)
class SubmissionScorer:
    """One method on one network, as a run has it.

    Attributes:
        label: the method with the parameters that differ from the defaults.
        network: its name.
        method: the method's card; None for score maps that were given.
        spec: the method, as `--method` takes it.
        source: the network, as `--model` takes it.
        card: the file that describes the network, where it was named.
        classes: what the predicted classes are; None where the run doesn't say.
        scoring: Where scores were computed.
        fit: What the method learned, as the content of a safetensors file; None if it learns nothing.
        plugins: the files of plugins that the run was made with.
        expected: benchmark -> how many frames the complete set has.
        frames: those of the benchmarks that the card names, in their order.
    """

    label: str
    network: str
    method: MethodCard | None
    spec: str
    source: str
    card: Path | None
    classes: ClassSet | None
    scoring: Scoring
    fit: bytes | None
    plugins: tuple[Path, ...]
    expected: Mapping[str, int]
    frames: tuple[SubmittedFrame, ...]


@dataclass(frozen=True)
class WrittenSubmission:
    """What was written.

    Attributes:
        facts: what a reader of the submission should know, for its side file.
        notes: what its author has to do or to know.
    """

    facts: Mapping[str, Any]
    notes: tuple[str, ...] = field(default=())


class Submission(ABC):
    """One leaderboard with its parameters."""

    card: ClassVar[SubmissionCard]
    Params: ClassVar[type[Parameters]] = Parameters

    def __init__(self, params: Parameters) -> None:
        self.params = params

    @abstractmethod
    def write(self, scored: SubmissionScorer, out: Path, track: ProgressCallback) -> WrittenSubmission:
        """Write everything into the empty folder `out`, which the harness puts into its place afterwards.

        Raises:
            OodbenchError: frames are missing, a score is not finite, a parameter is not given.
        """

    @abstractmethod
    def check(self, path: Path, frames: Sequence[KnownFrame] = ()) -> Iterator[str]:
        """What is wrong with a folder or an archive, a line for each thing: the file, the value, what was expected.

        It relies on nothing but what is there: counts, names, shapes, types, ranges, finite numbers.

        Args:
            path: what `write` made, or anybody's.
            frames: those that it has to have; without them their number and the form of their names are checked.

        Raises:
            DataError: the path can't be opened.
        """

    @abstractmethod
    def read(self, path: Path, frames: Sequence[SubmittedFrame]) -> Iterator[tuple[SubmittedFrame, ScoreMap]]:
        """Each of these frames that the submission has, with its scores as the leaderboard reads them."""

    def write_image(self, out: Path, name: str, score: ScoreMap, prediction: ClassMap | None) -> None:
        """Where the card says `images`: write one image into the folder `out`, by the name of its file."""
        raise UsageError(f"{self.card.name} is not written image by image", "See: oodbench list submissions")

    @classmethod
    def public_table(cls, path: Path) -> Sequence[PublishedResult]:
        """The leaderboard's public table, from a file that its site publishes.

        Raises:
            DataError: the file can't be read as one.
        """
        raise UsageError(
            f"the public table of {cls.card.name} can't be read from a file",
            "Expected a leaderboard that publishes one, as segment-me-if-you-can does (docs/results.md).",
        )
