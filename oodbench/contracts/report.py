"""The interface of reports: the view of a run that they read, and the class that they implement."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from oodbench.contracts.breakdown import Breakdown
from oodbench.contracts.calibration import Calibration
from oodbench.contracts.method import MethodCard
from oodbench.contracts.published import PublishedResult, Requirements
from oodbench.contracts.result import Result
from oodbench.contracts.uncertainty import MethodComparison
from oodbench.types import AnomalyLabels, RGBImage, ScoreMap, SemanticLabels


class RunView(Protocol):
    """The view of a run that a report reads. Pixels are loaded when they are requested.

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
        """The path of the run's folder, as text."""

    @property
    def results(self) -> Sequence[Result]:
        """The results that the report shows, in their order."""

    @property
    def quality(self) -> Mapping[str, Mapping[str, Any]]:
        """The closed-set quality of each network on calibration frames; empty without such frames."""

    @property
    def notes(self) -> Sequence[str]:
        """The notes about the run, one line each: benchmarks with hidden labels, which are scored but not evaluated."""

    @property
    def published(self) -> Sequence[PublishedResult]:
        """The published results to show next to the measured ones; empty unless they were requested."""

    def requirements(self, result: Result) -> Requirements:
        """Return the training signals of the result's method.

        Args:
            result: One of `results`.
        """

    def frames(self, benchmark: str) -> Sequence[str]:
        """Return the ids of a benchmark's frames, in order.

        Args:
            benchmark: Name of a benchmark of the results.
        """

    def figure_frames(self, benchmark: str) -> Sequence[str]:
        """Return the ids of the frames that figures show: the requested ones, otherwise a few evenly spaced ones.

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
        """Return the anomaly labels of a frame; None if the benchmark's labels are hidden.

        Args:
            benchmark: Name of a benchmark of the results.
            frame: Id of the frame.
        """

    def semantic_labels(self, benchmark: str, frame: str) -> SemanticLabels | None:
        """Return the semantic labels of a frame; None if the benchmark has none.

        Args:
            benchmark: Name of a benchmark of the results.
            frame: Id of the frame.
        """

    def score(self, result: Result, frame: str) -> ScoreMap:
        """Return the score map of a frame, float32 [H, W], higher = more anomalous.

        Args:
            result: One of `results`, which names the scorer and the benchmark.
            frame: Id of the frame.

        Raises:
            NotStoredError: The map is not stored.
        """

    def prediction(self, result: Result, frame: str) -> SemanticLabels | None:
        """Return the classes that the result's network predicts for a frame; None if they are not stored.

        Args:
            result: One of `results`.
            frame: Id of the frame.
        """

    def calibration(self, result: Result) -> Calibration | None:
        """Return the calibration of the result's scorer; None if the run had no in-distribution frames.

        Args:
            result: One of `results`.
        """

    def breakdown(self, result: Result) -> Breakdown | None:
        """Return the breakdown of the result; None if its protocol has none.

        Args:
            result: One of `results`.

        Raises:
            NotStoredError: Neither the breakdown nor the scores are stored.
        """

    def card(self, result: Result) -> MethodCard | None:
        """Return the card of the result's method; None for external scores, or if its plugin is not available.

        Args:
            result: One of `results`.
        """

    def comparisons(self) -> Sequence[MethodComparison]:
        """Return the comparisons of methods, one per benchmark, protocol and metric for which one is possible."""


@dataclass(frozen=True)
class ReportCard:
    """The fact sheet of a report.

    Attributes:
        name: The public name.
        title: A short description.
        default: Whether it is written at the end of every run.
        text: Whether it can be printed.
        figure: Whether it is a figure for a paper, which `--figure` renders.
    """

    name: str
    title: str
    default: bool = False
    text: bool = False
    figure: bool = False


class Report(ABC):
    """A report on a run, for people to read; the base class of a plugin.

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
        """Write the report into a folder. Each file is written atomically.

        Args:
            run: The run.
            out: The folder, which is created if it does not exist.

        Returns:
            The files of the report.

        Raises:
            NotStoredError: The report shows maps that are not stored.
        """

    def text(self, run: RunView) -> str:
        """Return the report as a string, if its card says `text`.

        Args:
            run: The run.

        Raises:
            NotImplementedError: The card does not say `text`.
        """
        raise NotImplementedError
