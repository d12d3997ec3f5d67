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
    """The view of a run that a report reads. Pixels are loaded when they are requested."""

    @property
    def location(self) -> str:
        """Where the run is stored: the path of its folder."""

    @property
    def results(self) -> Sequence[Result]: ...

    @property
    def quality(self) -> Mapping[str, Mapping[str, Any]]:
        """The closed-set quality of each network on calibration frames; empty without such frames."""

    @property
    def notes(self) -> Sequence[str]:
        """Notes about the run, one line each: benchmarks with hidden labels, which are scored but not evaluated."""

    @property
    def published(self) -> Sequence[PublishedResult]:
        """Published results to show next to the measured ones; empty unless they were requested."""

    def requirements(self, result: Result) -> Requirements:
        """Return the training signals of the result's method."""

    def frames(self, benchmark: str) -> Sequence[str]:
        """Return the ids of the benchmark's frames, in order."""

    def figure_frames(self, benchmark: str) -> Sequence[str]:
        """Return the ids of the frames that figures show: the requested ones, otherwise a few evenly spaced ones."""

    def image(self, benchmark: str, frame: str) -> RGBImage: ...

    def labels(self, benchmark: str, frame: str) -> AnomalyLabels | None:
        """Return the anomaly labels; None if the benchmark's labels are hidden."""

    def semantic_labels(self, benchmark: str, frame: str) -> SemanticLabels | None:
        """Return the semantic labels; None if the benchmark has none."""

    def score(self, result: Result, frame: str) -> ScoreMap: ...

    def prediction(self, result: Result, frame: str) -> SemanticLabels | None:
        """Return the classes that the result's network predicts; None if they are not stored."""

    def calibration(self, result: Result) -> Calibration | None:
        """Return the calibration of the result's scorer; None if the run had no in-distribution frames."""

    def breakdown(self, result: Result) -> Breakdown | None:
        """Return the breakdown of the result; None if its protocol has none."""

    def card(self, result: Result) -> MethodCard | None:
        """Return the card of the result's method; None for external scores, or if its plugin is not available."""

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
    """A report on a run, for people to read."""

    card: ClassVar[ReportCard]

    @abstractmethod
    def write(self, run: RunView, out: Path) -> Sequence[Path]:
        """Write the report into the folder `out` and return its files. Each file is written atomically."""

    def text(self, run: RunView) -> str:
        """Return the report as a string, if its card says `text`."""
        raise NotImplementedError
