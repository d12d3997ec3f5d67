"""Anomaly scorers.

A method says what it needs of a network, may be fitted on labelled in-distribution frames, and scores in one of two
ways: pixel by pixel from the class maps (`PixelMethod`), or on the grid of a feature map (`GridMethod`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict

from oodbench.types import ClassMap, ClassSet, LogitSummary, ScoreMap, SegmenterOutput, SemanticLabels

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class MethodCard:
    """The fact sheet of a method.

    Attributes:
        name: the public name.
        title: the name for tables.
        paper: authors, title, venue and year.
        url: the paper's address.
        version: raised whenever the scores change; stored results of another version are not reused.
        retraining: the network has to be trained anew for it.
        extra_network: it needs a second network.
        ood_data: it has seen out-of-distribution data.
        published: where its published rows stand.
        basic: part of the comparison that runs where neither methods nor networks are named.
        standard: Part of the set that runs on named networks if no method is named. The set is frozen: a new method is
            not part of it, so that it changes neither the results nor the time of existing commands.
    """

    name: str
    title: str
    paper: str
    url: str
    version: int = 1
    retraining: bool = False
    extra_network: bool = False
    ood_data: bool = False
    published: str = ""
    basic: bool = False
    standard: bool = False


@dataclass(frozen=True)
class Needs:
    """What a method reads.

    Attributes:
        class_maps: class maps of any kind. A pixel method that asks for these alone gets the logarithms of posteriors,
            and has to score them as it scores the logits that they were made of.
        logits: class maps that are logits, or sums, of which a pixel method gets the logarithms. Whatever reads a
            `SegmenterOutput` itself takes them from `class_maps.logits`.
        features: features by role.
        extras: what some heads give beside class maps, by name.
        fit: a fit on labelled frames.
        instead: what to say of a network that lacks the extras.
        masks: The queries of a mask classifier (`SegmenterOutput.masks`). With sliding windows a method gets those of
            each window.
    """

    class_maps: bool = False
    logits: bool = False
    features: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    fit: bool = False
    instead: str = ""
    masks: bool = False

    @staticmethod
    def union(several: Iterable[Needs]) -> Needs:
        """What serves all of them with one forward pass."""
        several = list(several)
        features = sorted({role for needs in several for role in needs.features})
        extras = sorted({name for needs in several for name in needs.extras})
        return Needs(
            class_maps=any(needs.class_maps or needs.logits for needs in several),
            logits=any(needs.logits for needs in several),
            features=tuple(features),
            extras=tuple(extras),
            fit=any(needs.fit for needs in several),
            masks=any(needs.masks for needs in several),
        )


class Parameters(BaseModel):
    """The parameters of a method: `--method 'knn:k=5'`. An unknown or ill-typed one is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ClassMapBand(Protocol):
    """A band of rows of one frame's class maps, at the resolution at which the score is computed."""

    @property
    def logits(self) -> Tensor:
        """float32 [C, h, w]; of class maps that are no logits, their logarithms."""

    @property
    def summary(self) -> LogitSummary:
        """[h, w] each; computed once for all methods that ask, without a tensor of C maps in memory."""


@dataclass(frozen=True)
class Fit:
    """What a method learned.

    Attributes:
        tensors: what scoring needs; kept in a safetensors file.
        facts: what a reader should know, printed with the results (classes that had too few pixels, and so on).
    """

    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]


class Method(ABC):
    """One anomaly scorer with its parameters.

    A fit goes: `begin_fit`, then for each pass `update` for each batch and `end_pass`, until that says that no
    further pass is wanted, then `fitted`. Scoring takes `load`, once, and then the score function of its kind.
    """

    card: ClassVar[MethodCard]
    Params: ClassVar[type[Parameters]] = Parameters

    def __init__(self, params: Parameters) -> None:
        self.params = params

    @abstractmethod
    def needs(self) -> Needs:
        """What this method reads of a network, with these parameters."""

    def begin_fit(self, classes: ClassSet, seed: int) -> None:
        """Start a fit. Every random choice derives from `seed`."""
        return

    def update(self, output: SegmenterOutput, labels: Sequence[SemanticLabels]) -> None:
        """Take in a batch of N labelled frames; labels have their own, full resolution."""
        return

    def end_pass(self) -> bool:
        """Called after each pass over the fit frames: True asks for another one."""
        return False

    def fitted(self) -> Fit:
        """What was learned."""
        return Fit({}, {})

    def load(self, fit: Fit) -> None:
        """Make ready to score with what was learned."""
        return


class PixelMethod(Method):
    """A score that looks at one pixel's class maps at a time."""

    def needs(self) -> Needs:
        """The logits, and nothing else."""
        return Needs(logits=True)

    @abstractmethod
    def pixel_score(self, band: ClassMapBand) -> Tensor:
        """float32 [h, w], higher = more anomalous. It must not depend on other pixels: frames come in bands."""

    def postprocess(self, score: ScoreMap, prediction: ClassMap) -> ScoreMap:
        """A last step on the whole map: score [H, W], prediction uint8 [H, W]. By default nothing."""
        return score


class GridMethod(Method):
    """A score on the grid of the features that it reads; the harness brings it to the label's resolution."""

    @abstractmethod
    def grid_score(self, output: SegmenterOutput) -> Tensor:
        """float32 [N, h, w], higher = more anomalous."""
