"""Anomaly scorers.

A method declares its needs and may be fitted on labelled in-distribution frames. It computes scores in one of two ways:
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

    Examples:
        >>> import oodbench
        >>> card = oodbench.create_method("msp").card
        >>> card.title, card.retraining, card.ood_data
        ('MSP', False, False)
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

    Examples:
        >>> from oodbench.contracts import Needs
        >>> needs = Needs.union([Needs(logits=True), Needs(features=("penultimate",), fit=True)])
        >>> needs.logits, needs.features, needs.fit
        (True, ('penultimate',), True)
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
        """Return the needs that serve several methods with one forward pass.

        Args:
            several: The needs of each method.
        """
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
    """The parameters of a plugin, as in `--method 'knn:k=5'`. An unknown parameter or a wrong type is an error.

    Examples:
        >>> from pydantic import Field
        >>> from oodbench.contracts import Parameters
        >>> class Params(Parameters):
        ...     scale: float = Field(1.0, gt=0, description="scale of the score")
        >>> Params(scale=2).scale
        2.0
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ClassMapBand(Protocol):
    """A band of rows of one frame's class maps, at the resolution at which the score is computed.

    Examples:
        >>> import torch
        >>> from oodbench.contracts import ClassMapBand
        >>> from oodbench.numerics import iter_row_bands
        >>> band: ClassMapBand = next(iter_row_bands(torch.zeros(19, 4, 6), (8, 12)))
        >>> list(band.logits.shape), list(band.summary.best.shape)
        ([19, 8, 12], [8, 12])
    """

    @property
    def logits(self) -> Tensor:
        """The logits of the rows, float32 [C, h, w]; the logarithms of the class maps if these are not logits."""

    @property
    def summary(self) -> LogitSummary:
        """The summary of the logits, [h, w] each; computed once for all methods, without C maps in memory."""


@dataclass(frozen=True)
class Fit:
    """The result of fitting a method.

    Attributes:
        tensors: The tensors that scoring needs; stored in a safetensors file.
        facts: Facts that are printed with the results (classes that had too few pixels, and so on).

    Examples:
        >>> import torch
        >>> from oodbench.contracts import Fit
        >>> fit = Fit({"means": torch.zeros(19, 8)}, {"pooled": ["train"]})
        >>> list(fit.tensors["means"].shape)
        [19, 8]
    """

    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]


class Method(ABC):
    """One anomaly scorer with its parameters. Plugins derive from `PixelMethod` or `GridMethod`.

    To fit, the harness calls `begin_fit`; in each pass `update` per batch and then `end_pass`, until that requests no
    further pass; and then `fitted`. To score, it calls `load` once and then the score function of the method's kind.

    Args:
        params: The parameters, an instance of `Params`.

    Attributes:
        card: The fact sheet.
        Params: The class of the parameters.

    Examples:
        >>> import oodbench
        >>> method = oodbench.create_method("knn", k=3)
        >>> method.card.name, method.params.k, method.needs().fit
        ('knn', 3, True)
    """

    card: ClassVar[MethodCard]
    Params: ClassVar[type[Parameters]] = Parameters

    def __init__(self, params: Parameters) -> None:
        self.params = params

    @abstractmethod
    def needs(self) -> Needs:
        """Return the inputs that this method needs with its parameters."""

    def begin_fit(self, classes: ClassSet, seed: int) -> None:
        """Start a fit, before the first batch.

        Args:
            classes: The class set of the labels and of the network.
            seed: Seed from which every random choice is derived.
        """
        return

    def update(self, output: SegmenterOutput, labels: Sequence[SemanticLabels]) -> None:
        """Process a batch of N labelled frames.

        Args:
            output: The network's output for the batch, with the parts that `needs` requests.
            labels: The labels of the N frames, each at its own, full resolution.
        """
        return

    def end_pass(self) -> bool:
        """Finish a pass over the fit frames; return True to request another pass."""
        return False

    def fitted(self) -> Fit:
        """Return the result of the fit."""
        return Fit({}, {})

    def load(self, fit: Fit) -> None:
        """Prepare scoring with the result of a fit.

        Args:
            fit: The result, as `fitted` returned it in this or another process.
        """
        return


class PixelMethod(Method):
    """A score that is computed for each pixel from its class maps alone.

    Examples:
        >>> import numpy as np
        >>> from torch import nn
        >>> import oodbench
        >>> from oodbench.contracts import MethodCard, Parameters, PixelMethod
        >>> class Margin(PixelMethod):
        ...     card = MethodCard("margin", "Margin", "none", "")
        ...
        ...     def pixel_score(self, band):
        ...         best, second = band.logits.topk(2, dim=0).values
        ...         return second - best
        >>> segmenter = oodbench.TorchSegmenter(nn.Conv2d(3, 19, 1), classes="cityscapes-19", device="cpu")
        >>> score_map = oodbench.Scorer(Margin(Parameters()), segmenter)(np.zeros((4, 6, 3), np.uint8))
        >>> score_map.shape, bool((score_map <= 0).all())
        ((4, 6), True)
    """

    @override
    def needs(self) -> Needs:
        """Return the need for logits only."""
        return Needs(logits=True)

    @abstractmethod
    def pixel_score(self, band: ClassMapBand) -> Tensor:
        """Return the scores of a band of rows.

        The score of a pixel must not depend on other pixels, because frames are processed in bands of rows.

        Args:
            band: The band's class maps [C, h, w] and their summary.

        Returns:
            float32 [h, w], higher = more anomalous.
        """

    def postprocess(self, score: ScoreMap, prediction: ClassMap) -> ScoreMap:
        """Process the whole score map after all bands are scored. The default returns it unchanged.

        Args:
            score: float32 [H, W], higher = more anomalous.
            prediction: uint8 [H, W], the index of the largest logit of each pixel.

        Returns:
            float32 [H, W], higher = more anomalous.
        """
        return score


class GridMethod(Method):
    """A score on the grid of the features that it reads; the harness resizes it to the resolution of the labels.

    Examples:
        >>> import torch
        >>> from oodbench.contracts import GridMethod, MethodCard, Needs, Parameters
        >>> from oodbench.types import SegmenterOutput
        >>> class Norm(GridMethod):
        ...     card = MethodCard("norm", "Norm", "none", "")
        ...
        ...     def needs(self):
        ...         return Needs(features=("penultimate",))
        ...
        ...     def grid_score(self, output):
        ...         return -output.features["penultimate"].norm(dim=1)
        >>> output = SegmenterOutput(None, {"penultimate": torch.ones(1, 4, 2, 3)})
        >>> Norm(Parameters()).grid_score(output).tolist()
        [[[-2.0, -2.0, -2.0], [-2.0, -2.0, -2.0]]]
    """

    @abstractmethod
    def grid_score(self, output: SegmenterOutput) -> Tensor:
        """Return the scores of a batch on the grid of its features.

        Args:
            output: The network's output for N images, with the parts that `needs` requests.

        Returns:
            float32 [N, h, w], higher = more anomalous.
        """
