"""The interface of reports: the view of a run that they read, and the class that they implement."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from oodbench.contracts.breakdown import Breakdown
from oodbench.contracts.calibration import Calibration
from oodbench.contracts.method import MethodCard
from oodbench.contracts.published import PublishedResult, Requirements
from oodbench.contracts.result import Result
from oodbench.contracts.uncertainty import MethodComparison
from oodbench.types import AnomalyLabels, RGBImage, ScoreMap, SemanticLabels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class BinnedScores:
    """The pixels of each frame of a result, counted in K ranges of scores.

    The number of pixels that score at least the lowest score of a range is exact.

    Attributes:
        lowest: float32 [K - 1], descending: the lowest score of each range but the last, which has all lower scores.
        counts: int64 [F, 2, K], the in-distribution and the anomalous pixels of each of F frames in each range.

    Examples:
        >>> import oodbench
        >>> run = oodbench.run(
        ...     models="streets-softmax", methods="msp", benchmarks="streets-anomaly", limit=1, id_limit=1,
        ...     stop_after="evaluate", out="run",
        ... )
        >>> binned = run.binned_scores(run.results[0])
        >>> binned.counts.shape[:2], binned.counts.shape[2] == binned.lowest.size + 1
        ((1, 2), True)
    """

    lowest: NDArray[np.float32]
    counts: NDArray[np.int64]


class RunView(Protocol):
    """The results and files of a run that a report can read. Images and maps are loaded when they are asked for.

    `oodbench.Run` implements this interface. A result has a method, a network, a benchmark and its metrics.

    Examples:
        >>> import oodbench
        >>> from oodbench.contracts import RunView
        >>> def count_results(run: RunView) -> int:
        ...     return len(run.results)
        >>> run = oodbench.run(
        ...     models="streets-softmax", methods="msp", benchmarks="streets-anomaly", limit=1, id_limit=1,
        ...     stop_after="evaluate", out="run",
        ... )
        >>> count_results(run)
        1
    """

    @property
    def location(self) -> str:
        """The path of the run's folder, as a string."""

    @property
    def results(self) -> Sequence[Result]:
        """The results that the report shows, in their order."""

    @property
    def quality(self) -> Mapping[str, Mapping[str, Any]]:
        """The segmentation quality of each network, such as mIoU; empty without labelled in-distribution frames."""

    @property
    def notes(self) -> Sequence[str]:
        """The notes about the run, one line each, such as benchmarks whose labels are not public."""

    @property
    def published(self) -> Sequence[PublishedResult]:
        """The published results to show next to the measured ones; empty unless they were requested."""

    def benchmark_title(self, benchmark: str) -> str:
        """Return the title of a benchmark, as papers write it.

        Args:
            benchmark: Name of a benchmark of the results.
        """

    def requirements(self, result: Result) -> Requirements:
        """Return what the result's method needs besides a trained network, such as retraining or OoD data.

        Args:
            result: One of `results`.
        """

    def frames(self, benchmark: str) -> Sequence[str]:
        """Return the ids of a benchmark's frames, in order.

        Args:
            benchmark: Name of a benchmark of the results.
        """

    def figure_frames(self, benchmark: str) -> Sequence[str]:
        """Return the ids of the frames that figures show: frames that the user chose, or a few evenly spaced ones.

        Args:
            benchmark: Name of a benchmark of the results.
        """

    def image(self, benchmark: str, frame: str) -> RGBImage:
        """Return the image of a frame, uint8 [H, W, 3], red first.

        Args:
            benchmark: Name of a benchmark of the results.
            frame: Id of the frame.

        Raises:
            RunFolderError: The frame is not on disk any more.
            DataError: The image is damaged.
        """

    def labels(self, benchmark: str, frame: str) -> AnomalyLabels | None:
        """Return the anomaly labels of a frame; None if they are not public.

        Args:
            benchmark: Name of a benchmark of the results.
            frame: Id of the frame.
        """

    def semantic_labels(self, benchmark: str, frame: str) -> SemanticLabels | None:
        """Return the semantic labels (the class of each pixel) of a frame; None if the benchmark has none.

        Args:
            benchmark: Name of a benchmark of the results.
            frame: Id of the frame.
        """

    def score(self, result: Result, frame: str) -> ScoreMap:
        """Return the score map of a frame, float32 [H, W], higher = more anomalous.

        Args:
            result: One of `results`, which names the method, the network and the benchmark.
            frame: Id of the frame.

        Raises:
            NotStoredError: The score map is not stored.
        """

    def level_picture(self, result: Result, frame: str) -> ScoreMap | None:
        """Return a small picture of a score map that is not stored, as reduced and rounded scores, float32 [h, w].

        It is only shown and never measured.

        Args:
            result: One of `results`.
            frame: Id of the frame.

        Returns:
            The reduced score map; None if no picture is stored.
        """

    def binned_scores(self, result: Result) -> BinnedScores | None:
        """Return the scores of each frame, counted in bins, from which curves are drawn if the maps are not stored.

        Args:
            result: One of `results`.

        Returns:
            The counts; None if the protocol (rules of evaluation) of the result has none, or if they are not stored.
        """

    def prediction(self, result: Result, frame: str) -> SemanticLabels | None:
        """Return the classes that the result's network predicts for a frame; None if they are not stored.

        Args:
            result: One of `results`.
            frame: Id of the frame.
        """

    def calibration(self, result: Result) -> Calibration | None:
        """Return the quantiles of the method's scores on in-distribution frames; None if the run had no such frames.

        Args:
            result: One of `results`.
        """

    def breakdown(self, result: Result) -> Breakdown | None:
        """Return the detected anomalies of the result by size and place, and its false positives by class.

        Args:
            result: One of `results`.

        Returns:
            The breakdown; None if the protocol (rules of evaluation) of the result has none.

        Raises:
            NotStoredError: Neither the breakdown nor the score maps are stored.
        """

    def card(self, result: Result) -> MethodCard | None:
        """Return the fact sheet of the result's method; None if the method is not available.

        Args:
            result: One of `results`.
        """

    def comparisons(self) -> Sequence[MethodComparison]:
        """Return the significance tests between methods, one table per benchmark, protocol and metric if possible."""


@dataclass(frozen=True)
class ReportCard:
    """The fact sheet of a report.

    Attributes:
        name: The name in commands and functions.
        title: A short description.
        default: Whether the report is written at the end of every run.
        text: Whether the report can be printed; it then implements `Report.text`.
        figure: Whether the report is a figure for a paper, which `oodbench report --figure` renders.
    """

    name: str
    title: str
    default: bool = False
    text: bool = False
    figure: bool = False


class Report(ABC):
    """Base class of a report on a run, such as a table, a figure or a page. Override `card` and `write`.

    Attributes:
        card: The fact sheet.

    Examples:
        >>> from pathlib import Path
        >>> import oodbench
        >>> from oodbench.contracts import Report, ReportCard
        >>> class Count(Report):
        ...     card = ReportCard("count", "number of results")
        ...
        ...     def write(self, run, out):
        ...         out.mkdir(exist_ok=True)
        ...         temporary = out / ".count.txt.part"
        ...         _ = temporary.write_text(f"{len(run.results)} results")
        ...         return [temporary.rename(out / "count.txt")]
        >>> run = oodbench.run(
        ...     models="streets-softmax", methods="msp", benchmarks="streets-anomaly", limit=1, id_limit=1,
        ...     stop_after="evaluate", out="run",
        ... )
        >>> Count().write(run, Path("report"))[0].read_text()
        '1 results'
    """

    card: ClassVar[ReportCard]

    @abstractmethod
    def write(self, run: RunView, out: Path) -> Sequence[Path]:
        """Write the report into a folder.

        Write each file under a temporary name and rename it, so that no incomplete file remains after an interruption.

        Args:
            run: The run.
            out: The folder, which is created if it does not exist.

        Returns:
            The files of the report.

        Raises:
            NotStoredError: The report shows score maps that are not stored.
        """

    def text(self, run: RunView) -> str:
        """Return the report as a string, if `card.text` is True.

        Args:
            run: The run.

        Raises:
            NotImplementedError: `card.text` is False.
        """
        raise NotImplementedError
