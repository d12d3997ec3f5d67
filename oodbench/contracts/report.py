"""What is made of a run: the stored row, the lazy view of a run, and the plugins that read it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict, Field

from oodbench.contracts.breakdown import Breakdown
from oodbench.contracts.method import MethodCard
from oodbench.contracts.published import PublishedResult, Requirements
from oodbench.contracts.uncertainty import Intervals, MethodComparison
from oodbench.types import AnomalyLabels, RGBImage, ScoreMap, SemanticLabels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RESULT_SCHEMA = 1


class Result(BaseModel):
    """One number of a table with everything that it depends on. Written as one JSON file a row."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: int = Field(RESULT_SCHEMA, description="version of this record's layout")
    method: str = Field(description="public name of the method")
    params: dict[str, Any] = Field(description="its parameters, defaults included")
    label: str = Field(description="the method with the parameters that differ from the defaults; for tables")
    network: str = Field(description="name of the network")
    benchmark: str = Field(description="public name of the benchmark")
    layout: str = Field(description="folder layout in which the benchmark was found")
    scoring: dict[str, Any] = Field(description="where scores were computed, see Scoring")
    protocol: dict[str, Any] = Field(description="how scores became numbers, see Protocol")
    metrics: dict[str, float | None] = Field(
        description="fractions by the names of the metric registry, those that the protocol has; null where undefined"
    )
    undefined: dict[str, str] = Field(description="the reason for each null metric")
    intervals: Intervals | None = Field(
        None,
        description="level, method, unit (frames or groups), units, resamples, bounds (metric: low, high), undefined "
        "(metric: why it has none); null in rows of older versions",
    )
    counts: dict[str, int] = Field(
        description="frames, expected_frames, frames_without_anomaly, anomaly_pixels, in_distribution_pixels, "
        "void_pixels"
    )
    components: dict[str, Any] = Field(
        default={},
        description="behind the metrics of components: the sizes, the taus; for each threshold its value, objects, "
        "predictions, and tp, fn, fp, f1 at each tau",
    )
    fit: dict[str, Any] = Field(description="what the fit has to say: frames, pixels, classes that were pooled")
    cost: dict[str, float | None] = Field(
        description="time and memory, by the names of the metric registry; null where not measured"
    )
    environment: dict[str, str] = Field(description="versions, processor, device, threads")
    seed: int = Field(description="the seed of the run")
    digests: dict[str, str] = Field(description="network, data (frames and labels), scores (the stored maps)")
    warnings: list[str] = Field(description="what a reader has to know before quoting the number")


@dataclass(frozen=True)
class Calibration:
    """How a method scores in-distribution pixels on which it was not fitted.

    Attributes:
        levels: float64 [Q], ascending in [0, 1].
        quantiles: float32 [Q], the score that a share `levels` of the in-distribution pixels does not exceed.
        source: what it was computed on, in words.
    """

    levels: NDArray[np.float64]
    quantiles: NDArray[np.float32]
    source: str

    def score_at(self, share: float) -> float:
        """The score that this share of the in-distribution pixels does not exceed."""
        import numpy as np

        return float(np.interp(share, self.levels, self.quantiles))

    def rarity(self, score: ScoreMap) -> NDArray[np.float32]:
        """How rare each score is among in-distribution pixels: -log10 of the share that is higher.

        0 is common, 1 one pixel in ten, 3 one in a thousand. Capped where the quantiles end. Monotone in the score.
        """
        import numpy as np

        share = np.interp(score, self.quantiles, self.levels).astype(np.float32)
        floor = 1.0 - self.levels[-2]
        rarity: NDArray[np.float32] = -np.log10(np.maximum(1.0 - share, floor, dtype=np.float32))
        return rarity


class RunView(Protocol):
    """What a report sees of a run. Pixels are read when asked for."""

    @property
    def folder(self) -> Path: ...

    @property
    def rows(self) -> Sequence[Result]: ...

    @property
    def quality(self) -> Mapping[str, Mapping[str, Any]]:
        """network -> its closed-set quality on the calibration frames (docs/results.md); empty without such frames."""

    @property
    def notes(self) -> Sequence[str]:
        """What a reader has to know and no row can say, a line each: of benchmarks whose labels are not public."""

    @property
    def published(self) -> Sequence[PublishedResult]:
        """What others published, to stand beside the rows; empty unless it was asked for."""

    def contamination(self, row: Result) -> Requirements:
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

    def strata(self, row: Result) -> Breakdown | None:
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
