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
"""Name of the file with the origin and settings of a submission, which oodbench writes into the submission's folder."""

LARGEST_CHANGE = 1e-4
"""The largest change of exact AP and FPR95 that a leaderboard's file format may cause, as fractions."""

ProgressCallback = Callable[[str, int, str], AbstractContextManager[Callable[[int], None]]]
"""Function that shows the progress of a loop.

It takes a title, the total number of units and the name of the unit. It returns a context manager, which yields another
function. Call this function with the number of units that were just finished."""


@dataclass(frozen=True)
class SubmissionCard:
    """The fact sheet of a leaderboard.

    Attributes:
        name: The name in commands and functions.
        title: The usual name.
        url: The page on which submissions are made.
        state: Text on whether the leaderboard accepts submissions, and since when.
        benchmarks: Names of the benchmarks whose frames the leaderboard accepts.
        images: Whether the files can be written image by image, as `oodbench predict --format NAME` does.

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
    """A frame whose scores a submission (the files for a leaderboard) must contain.

    Attributes:
        benchmark: Name of the benchmark.
        index: Index of the frame among the frames of the benchmark, from 0.
        id: The id of the frame within the benchmark.
        size: (height, width) of the frame's image.

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
    """A frame of a submission (files for a leaderboard) with functions that load its score map and labels from a run.

    Attributes:
        read_score: Function that returns the stored score map, float32 [H, W], higher = more anomalous.
        read_prediction: Function that returns the stored predicted classes, uint8 [H, W]; None if the run has none.
        read_labels: Function that returns the anomaly labels; None if they are not public.

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
    """One method and network of a run, with their score maps, for `Submission.write`.

    Attributes:
        label: Name of the method, with the parameters that differ from the defaults.
        network: Name of the network.
        method: The fact sheet of the method; None for score maps that other code wrote.
        spec: The method, as the option `--method` takes it.
        source: The network, as the option `--model` takes it.
        card: The model card, a file that describes the network; None if no card was named.
        classes: The class set of the predicted classes; None if the run does not state it.
        scoring: The resolution at which scores were computed.
        fit: The content of the safetensors file with the values that the method has learned; None if it learns nothing.
        plugins: The Python files with plugins that the run used.
        expected: Maps each benchmark to the number of frames of the complete benchmark.
        frames: The frames of the leaderboard's benchmarks (`SubmissionCard.benchmarks`), in this order.
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
    """The output of `Submission.write`: facts and notes about the files that it wrote for a leaderboard.

    Attributes:
        facts: Facts that a reader of the submission needs; oodbench writes them to `submission.json` in the folder.
        notes: Remarks for the author of the submission, such as the next steps.

    Examples:
        >>> from oodbench.contracts import WrittenSubmission
        >>> WrittenSubmission({"layout": "tracks"}).notes
        ()
    """

    facts: Mapping[str, Any]
    notes: tuple[str, ...] = field(default=())


class Submission(ABC):
    """Base class for the files that one leaderboard expects: they are written, checked and read back.

    A submission is such a set of files. Override `card`, `write`, `check` and `read`.

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
        """Write all files of a submission into a temporary folder, which oodbench then renames.

        Args:
            scored: The method and network, with their score maps.
            out: An empty folder.
            track: Function that shows progress, see `ProgressCallback`.

        Returns:
            Facts for the file `submission.json`, and notes for the author.

        Raises:
            OodbenchError: Frames are missing, a score is not finite, or a parameter is missing.
        """

    @abstractmethod
    def check(self, path: Path, frames: Sequence[KnownFrame] = ()) -> Iterator[str]:
        """Yield the problems of a folder or an archive, one line each: the file, the value, the expectation.

        Only the files are checked: their number and names, and the shape, type and range of their values.

        Args:
            path: A folder or an archive, written by `write` or by any other program.
            frames: The frames whose scores it must contain. If empty, only the number and the form of the file names
                are checked.

        Raises:
            DataError: The folder or archive can't be opened.
        """

    @abstractmethod
    def read(self, path: Path, frames: Sequence[SubmittedFrame]) -> Iterator[tuple[SubmittedFrame, ScoreMap]]:
        """Yield the frames that a submission contains, with their scores as the leaderboard reads them.

        Args:
            path: A folder or an archive.
            frames: The frames to look for; frames that the submission lacks are left out.

        Raises:
            DataError: The folder or archive can't be opened.
            ScoreError: A score file is damaged.
        """

    def write_image(self, out: Path, name: str, score: ScoreMap, prediction: ClassMap | None) -> None:
        """Write the files of one image, if `card.images` is True.

        Args:
            out: The folder of the submission.
            name: Name of the image file without its suffix.
            score: float32 [H, W], higher = more anomalous.
            prediction: uint8 [H, W], the predicted classes; None if the network has no class maps.

        Raises:
            UsageError: The submission is not written image by image, or the name or the prediction is not suitable.
            ScoreError: A score is not finite.
        """
        raise UsageError(f"{self.card.name} is not written image by image", "See: oodbench list submissions")

    @classmethod
    def public_table(cls, path: Path) -> Sequence[PublishedResult]:
        """Read the leaderboard's public table of results from a file that its web site publishes.

        Args:
            path: The file.

        Raises:
            UsageError: The leaderboard publishes no such file.
            DataError: The file does not contain this table.
        """
        raise UsageError(
            f"the public table of {cls.card.name} can't be read from a file",
            "Name a leaderboard that publishes one, such as segment-me-if-you-can (docs/reference/protocols.md).",
        )
