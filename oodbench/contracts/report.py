"""What is made of a run: the stored row, the lazy view of a run, and the plugins that read it."""

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
    """What a report sees of a run. Pixels are read when asked for."""

    @property
    def location(self) -> str:
        """Where the run is stored: the path of its folder."""

    @property
    def results(self) -> Sequence[Result]: ...

    @property
    def quality(self) -> Mapping[str, Mapping[str, Any]]:
        """network -> its closed-set quality on the calibration frames (docs/results.md); empty without such frames."""

    @property
    def notes(self) -> Sequence[str]:
        """What a reader has to know and no row can say, a line each: of benchmarks whose labels are not public."""

    @property
    def published(self) -> Sequence[PublishedResult]:
        """What others published, to stand beside the rows; empty unless it was asked for."""

    def requirements(self, row: Result) -> Requirements:
        """What the row's method has had."""

    def frames(self, benchmark: str) -> Sequence[str]:
        """Ids of the benchmark's frames, in order."""

    def figure_frames(self, benchmark: str) -> Sequence[str]:
        """Those that figures show: those that were asked for; else a few, evenly spaced."""

    def image(self, benchmark: str, frame: str) -> RGBImage: ...

    def labels(self, benchmark: str, frame: str) -> AnomalyLabels | None:
        """None where the benchmark's labels are not public."""

    def semantic_labels(self, benchmark: str, frame: str) -> SemanticLabels | None:
        """None where the benchmark has none."""

    def score(self, row: Result, frame: str) -> ScoreMap: ...

    def prediction(self, row: Result, frame: str) -> SemanticLabels | None:
        """The classes that the row's network predicts; None where they are not stored."""

    def calibration(self, row: Result) -> Calibration | None:
        """None where the run had no in-distribution frames."""

    def breakdown(self, row: Result) -> Breakdown | None:
        """None where the row's protocol has none."""

    def card(self, row: Result) -> MethodCard | None:
        """Of the row's method; None where its scores were given, or its plugin is gone."""

    def comparisons(self) -> Sequence[MethodComparison]:
        """Which methods differ by more than chance: one a benchmark, protocol and metric, where that can be said."""


@dataclass(frozen=True)
class ReportCard:
    """The fact sheet of a report.

    Attributes:
        name: the public name.
        title: what it is.
        default: made at the end of every run.
        text: can be printed.
        figure: pictures for a paper, which `--figure` draws.
    """

    name: str
    title: str
    default: bool = False
    text: bool = False
    figure: bool = False


class Report(ABC):
    """Turns a run into something that people read."""

    card: ClassVar[ReportCard]

    @abstractmethod
    def write(self, run: RunView, out: Path) -> Sequence[Path]:
        """Write into the folder `out` and return the files. Each is written whole or not at all."""

    def text(self, run: RunView) -> str:
        """For reports whose card says `text`: the same as a string."""
        raise NotImplementedError
