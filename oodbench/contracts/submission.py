"""The interface of leaderboard submissions: written from stored scores, checked, read back and scored again."""

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
"""Name of the file that the harness writes into the folder of a submission, with its origin and settings."""

LARGEST_CHANGE = 1e-4
"""The largest allowed change of exact AP and FPR95 by a leaderboard's file format, as fractions."""

ProgressCallback = Callable[[str, int, str], AbstractContextManager[Callable[[int], None]]]
"""(title, total, unit) -> context manager whose function is called with the number of units just done."""


@dataclass(frozen=True)
class SubmissionCard:
    """The fact sheet of a leaderboard.

    Attributes:
        name: The public name.
        title: The usual name.
        url: The page on which submissions are made.
        state: Whether it accepts submissions, and since when.
        benchmarks: Public names of the benchmarks whose frames it accepts or reads.
        images: Whether it can be written image by image, by `oodbench predict --format NAME`.

    Examples:
        >>> from oodbench.contracts import SubmissionCard
        >>> SubmissionCard("arrays", "Arrays", "https://example.org", "open", ("road-anomaly",)).images
        False
    """

    name: str
    title: str
    url: str
    state: str
    benchmarks: tuple[str, ...]
    images: bool = False


@dataclass(frozen=True)
class KnownFrame:
    """A frame that a submission must contain.

    Attributes:
        benchmark: The benchmark's public name.
        index: Index among the frames of the benchmark, from 0.
        id: The id within the benchmark.
        size: (height, width) of its image.

    Examples:
        >>> from oodbench.contracts import KnownFrame
        >>> KnownFrame("road-anomaly-21", 0, "validation0000", (720, 1280)).size
        (720, 1280)
    """

    benchmark: str
    index: int
    id: str
    size: Size


@dataclass(frozen=True)
class SubmittedFrame(KnownFrame):
    """A frame with its stored maps in a run. Pixels are loaded when a reader is called.

    Attributes:
        read_score: Function that returns the stored score map, float32 [H, W], higher = more anomalous.
        read_prediction: Function that returns the stored predicted classes, uint8 [H, W]; None if the run has none.
        read_labels: Function that returns the anomaly labels; None if they are hidden.

    Examples:
        >>> import numpy as np
        >>> from oodbench.contracts import SubmittedFrame
        >>> frame = SubmittedFrame(
        ...     "road-anomaly-21", 0, "validation0000", (4, 6), lambda: np.zeros((4, 6), np.float32), None, None
        ... )
        >>> frame.read_score().shape
        (4, 6)
    """

    read_score: Callable[[], ScoreMap]
    read_prediction: Callable[[], ClassMap] | None
    read_labels: Callable[[], AnomalyLabels] | None


@dataclass(frozen=True)
class SubmissionScorer:
    """A scorer (a method on a network) and its stored maps in a run.

    Attributes:
        label: The method with the parameters that differ from the defaults.
        network: Name of the network.
        method: The method's card; None for external scores.
        spec: The method, in the form of `--method`.
        source: The network, in the form of `--model`.
        card: The file that describes the network, if one was named.
        classes: The class set of the predicted classes; None if the run does not state it.
        scoring: The resolution at which scores were computed.
        fit: The result of the fit, as the content of a safetensors file; None if the method is not fitted.
        plugins: The plugin files that the run used.
        expected: Maps each benchmark to the number of frames of the complete set.
        frames: Frames of the benchmarks that the card names, in their order.
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
    """The facts and notes about a submission that was written.

    Attributes:
        facts: Facts that a reader of the submission needs, for its side file.
        notes: Remaining steps and remarks for its author.

    Examples:
        >>> from oodbench.contracts import WrittenSubmission
        >>> WrittenSubmission({"layout": "tracks"}).notes
        ()
    """

    facts: Mapping[str, Any]
    notes: tuple[str, ...] = field(default=())


class Submission(ABC):
    """One leaderboard with its parameters; the base class of a plugin.

    Args:
        params: The parameters, an instance of `Params`.

    Attributes:
        card: The fact sheet.
        Params: The class of the parameters.

    Examples:
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from oodbench.contracts import KnownFrame, Parameters, Submission, SubmissionCard, WrittenSubmission
        >>> class Arrays(Submission):
        ...     card = SubmissionCard("arrays", "Arrays", "https://example.org", "open", ("road-anomaly",))
        ...
        ...     def write(self, scored, out, track):
        ...         for frame in scored.frames:
        ...             np.save(out / f"{frame.id}.npy", frame.read_score())
        ...         return WrittenSubmission({"type": "float32"})
        ...
        ...     def check(self, path, frames=()):
        ...         for frame in frames:
        ...             if not (path / f"{frame.id}.npy").exists():
        ...                 yield f"{frame.id}.npy is missing; expected a file for each frame"
        ...
        ...     def read(self, path, frames):
        ...         for frame in frames:
        ...             yield frame, np.load(path / f"{frame.id}.npy")
        >>> list(Arrays(Parameters()).check(Path(), [KnownFrame("road-anomaly", 0, "animals01", (720, 1280))]))
        ['animals01.npy is missing; expected a file for each frame']
    """

    card: ClassVar[SubmissionCard]
    Params: ClassVar[type[Parameters]] = Parameters

    def __init__(self, params: Parameters) -> None:
        self.params = params

    @abstractmethod
    def write(self, scored: SubmissionScorer, out: Path, track: ProgressCallback) -> WrittenSubmission:
        """Write all files of a submission. The harness then moves the folder to its final place.

        Args:
            scored: The scorer with its stored maps.
            out: An empty folder.
            track: Callback for progress.

        Returns:
            Facts for the side file, and notes for the author.

        Raises:
            OodbenchError: Frames are missing, a score is not finite, or a parameter is missing.
        """

    @abstractmethod
    def check(self, path: Path, frames: Sequence[KnownFrame] = ()) -> Iterator[str]:
        """Yield the problems of a folder or an archive, one line each: the file, the value, the expectation.

        The check relies only on the files: counts, names, shapes, types, ranges, finite numbers.

        Args:
            path: A folder or an archive, written by `write` or by any other program.
            frames: The frames that it must contain; if empty, only their number and the form of their names are
                checked.

        Raises:
            DataError: The path can't be opened.
        """

    @abstractmethod
    def read(self, path: Path, frames: Sequence[SubmittedFrame]) -> Iterator[tuple[SubmittedFrame, ScoreMap]]:
        """Yield the frames that the submission contains, with their scores as the leaderboard reads them.

        Args:
            path: A folder or an archive.
            frames: The frames to look for; those that the submission lacks are left out.

        Raises:
            DataError: The path can't be opened.
            ScoreError: A score file is damaged.
        """

    def write_image(self, out: Path, name: str, score: ScoreMap, prediction: ClassMap | None) -> None:
        """Write the files of one image, if the card says `images`.

        Args:
            out: The folder of the submission.
            name: Name of the image's file without its ending.
            score: float32 [H, W], higher = more anomalous.
            prediction: uint8 [H, W], the predicted classes; None if the network has no class maps.

        Raises:
            UsageError: The submission is not written image by image, or the name or the prediction is not suitable.
            ScoreError: A score is not finite.
        """
        raise UsageError(f"{self.card.name} is not written image by image", "See: oodbench list submissions")

    @classmethod
    def public_table(cls, path: Path) -> Sequence[PublishedResult]:
        """Read the leaderboard's public table from a file that its site publishes.

        Args:
            path: The file.

        Raises:
            UsageError: The leaderboard publishes no such file.
            DataError: The file is not such a table.
        """
        raise UsageError(
            f"the public table of {cls.card.name} can't be read from a file",
            "Name a leaderboard that publishes one, such as segment-me-if-you-can (docs/reference/protocols.md).",
        )
