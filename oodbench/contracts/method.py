"""Anomaly scorers.

A method declares its needs, may be fitted on labelled in-distribution frames, and computes scores in one of two ways:
pixel by pixel from the class maps (`PixelMethod`), or on the grid of a feature map (`GridMethod`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict
from typing_extensions import override

from oodbench.types import ClassMap, ClassSet, LogitSummary, ScoreMap, SegmenterOutput, SemanticLabels

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class MethodCard:
    """The fact sheet of a method.

    Attributes:
        name: The public name.
        title: The name in tables.
        paper: Authors, title, venue and year.
        url: The paper's address.
        version: Increased whenever the scores change; stored results of another version are not reused.
        retraining: Whether the network must be retrained for the method.
        extra_network: Whether the method needs a second network.
        ood_data: Whether the method was trained with out-of-distribution data.
        published: The sources of its published results.
        basic: Part of the comparison that runs if neither methods nor networks are named.
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
    """The inputs that a method needs.

    Attributes:
        class_maps: Whether it needs class maps of any kind. A pixel method that needs only these may receive
            log-posteriors instead of logits, and must return the same score for both.
        logits: Whether it needs class maps that are logits, or unnormalised class scores, of which a pixel method gets
            the logarithms. A method that reads a `SegmenterOutput` takes them from `class_maps.logits`.
        features: Roles of the features that it needs.
        extras: Names of the extras that it needs, which are additional outputs of some heads.
        fit: Whether it must be fitted on labelled frames.
        instead: The advice in the message about a network that lacks the extras.
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
        """Return the needs that serve all of these methods with one forward pass."""
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
    """The parameters of a method, as in `--method 'knn:k=5'`. An unknown parameter or a wrong type is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ClassMapBand(Protocol):
    """A band of rows of one frame's class maps, at the resolution at which the score is computed."""

    @property
    def logits(self) -> Tensor:
        """float32 [C, h, w]; the logarithms of the class maps if these are not logits."""

    @property
    def summary(self) -> LogitSummary:
        """The summary of the logits, [h, w] each; computed once for all methods, without C maps in memory."""


@dataclass(frozen=True)
class Fit:
    """The result of fitting a method.

    Attributes:
        tensors: The tensors that scoring needs; stored in a safetensors file.
        facts: Facts that are printed with the results (classes that had too few pixels, and so on).
    """

    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]


class Method(ABC):
    """One anomaly scorer with its parameters.

    To fit, the harness calls `begin_fit`; in each pass `update` per batch and then `end_pass`, until that requests no
    further pass; and then `fitted`. To score, it calls `load` once and then the score function of the method's kind.
    """

    card: ClassVar[MethodCard]
    Params: ClassVar[type[Parameters]] = Parameters

    def __init__(self, params: Parameters) -> None:
        self.params = params

    @abstractmethod
    def needs(self) -> Needs:
        """Return the inputs that this method needs with its parameters."""

    def begin_fit(self, classes: ClassSet, seed: int) -> None:
        """Start a fit. Every random choice is derived from `seed`."""
        return

    def update(self, output: SegmenterOutput, labels: Sequence[SemanticLabels]) -> None:
        """Process a batch of N labelled frames; the labels have their own, full resolution."""
        return

    def end_pass(self) -> bool:
        """Finish a pass over the fit frames; return True to request another pass."""
        return False

    def fitted(self) -> Fit:
        """Return the result of the fit."""
        return Fit({}, {})

    def load(self, fit: Fit) -> None:
        """Prepare scoring with the result of a fit."""
        return


class PixelMethod(Method):
    """A score that is computed for each pixel from its class maps alone."""

    @override
    def needs(self) -> Needs:
        """Return the need for logits only."""
        return Needs(logits=True)

    @abstractmethod
    def pixel_score(self, band: ClassMapBand) -> Tensor:
        """Return float32 [h, w], higher = more anomalous.

        The score of a pixel must not depend on other pixels, because frames are processed in bands of rows.
        """

    def postprocess(self, score: ScoreMap, prediction: ClassMap) -> ScoreMap:
        """Post-process the whole map: score [H, W], prediction uint8 [H, W]. The default returns it unchanged."""
        return score


class GridMethod(Method):
    """A score on the grid of the features that it reads; the harness resizes it to the resolution of the labels."""

    @abstractmethod
    def grid_score(self, output: SegmenterOutput) -> Tensor:
        """Return float32 [N, h, w], higher = more anomalous."""
