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
    """The fact sheet of a method, a way to compute anomaly scores from a network's output.

    Attributes:
        name: The name in commands and functions.
        title: The name in tables.
        paper: Authors, title, venue and year.
        url: The paper's address.
        version: Version of the method. Increase it whenever the scores change, so that stored scores of older versions
            are not reused.
        retraining: Whether the network must be retrained for the method.
        extra_network: Whether the method needs a second network.
        ood_data: Whether the method was trained with out-of-distribution data.
        published: The sources of the method's published results.
        basic: Whether the method runs by default if a run names neither methods nor networks.
        standard: Whether the method runs by default if a run names networks and no methods. Set this for no new method:
            the set of these methods is frozen, so that existing commands keep their results and their duration.

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
    """The outputs of a network that a method needs, and whether the method learns from labelled frames.

    Class maps are [N, C, h, w], one map per class: logits, posteriors or unnormalised class scores.

    Attributes:
        class_maps: Whether the method needs class maps of any kind. A `PixelMethod` that needs only these receives
            logits from one network and log-posteriors from another, and must return the same score for both.
        logits: Whether the method needs class maps that are logits. Unnormalised class scores, such as those of
            Mask2Former, are accepted, too: a `PixelMethod` gets their logarithms, and other methods read
            `class_maps.logits` of the `SegmenterOutput`.
        features: Names of the features that the method needs; `penultimate` is the input of the last layer.
        extras: Names of additional outputs that the method needs and that only some network heads have.
        fit: Whether the method must learn from labelled frames before it scores.
        instead: Advice for users, for the message about a network that lacks the `extras`.
        masks: Whether the method needs the queries of a mask classifier (`SegmenterOutput.masks`). If the network
            processes sliding windows, the method gets the queries of each window.

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
        """Return the combined needs of several methods, so that one forward pass serves all of them.

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
    """Base class for the parameters of a method or another plugin, as in `--method 'knn:k=5'`.

    Declare each parameter as a pydantic field, and set the class as `Params` of the plugin. An unknown parameter or a
    wrong type is an error.

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
    """Some rows of one frame's class maps, at the resolution at which the score is computed.

    Frames are scored in bands of rows, so that the class maps [C, H, W] of a large frame need not fit into memory.

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
        """The logits of the rows, float32 [C, h, w]. Posteriors and class scores are replaced by their logarithms."""

    @property
    def summary(self) -> LogitSummary:
        """The largest logit, the predicted class and two sums of each pixel, [h, w] each; all methods share them."""


@dataclass(frozen=True)
class Fit:
    """The values that a method has learned from labelled frames.

    Attributes:
        tensors: The tensors that scoring needs, by name. They are stored in a safetensors file.
        facts: Facts that are shown with the results, such as the classes that had too few pixels.

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
    """A way to compute anomaly scores from a network's output, with its parameters.

    To add a method, derive from `PixelMethod` or `GridMethod`.

    A method can learn from labelled frames before it scores, which is called a fit. For a fit, oodbench calls
    `begin_fit` once. In each pass over the frames, it calls `update` for each batch, and `end_pass` after the last one.
    When `end_pass` returns False, it calls `fitted` and stores the result. To score, oodbench calls `load` once with
    the stored result, and then `pixel_score` or `grid_score`. A method that derives from `MergeableFit` as well has no
    `update`, and its fit can be distributed over processes.

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
        """Return the outputs of the network that this method needs with its parameters."""

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
            labels: The labels of the N frames, each at the full resolution of the frame.
        """
        return

    def end_pass(self) -> bool:
        """Finish a pass over the frames of the fit. Return True to request another pass, otherwise False."""
        return False

    def fitted(self) -> Fit:
        """Return what the method has learned."""
        return Fit({}, {})

    def load(self, fit: Fit) -> None:
        """Prepare for scoring with what the method has learned. Called for methods that learn.

        Args:
            fit: The values that `fitted` returned, in this or another process.
        """
        return


class PixelMethod(Method):
    """A method that computes the score of each pixel from the values of the class maps at this pixel.

    Class maps are one map per class: logits, posteriors or unnormalised class scores. Override `pixel_score`. Override
    `needs` if posteriors are enough or if the method learns, and `postprocess` to change the whole score map.

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
        """Return `Needs(logits=True)`: the method needs logits and nothing else, unless you override this."""
        return Needs(logits=True)

    @abstractmethod
    def pixel_score(self, band: ClassMapBand) -> Tensor:
        """Return the scores of some rows of a frame.

        The score of a pixel must not depend on other pixels, because each call gets only some rows.

        Args:
            band: The rows: their logits [C, h, w], and the largest logit and other values of each pixel.

        Returns:
            float32 [h, w], higher = more anomalous.
        """

    def postprocess(self, score: ScoreMap, prediction: ClassMap) -> ScoreMap:
        """Process the whole score map after all its rows are scored. The default returns it unchanged.

        Args:
            score: float32 [H, W], higher = more anomalous.
            prediction: uint8 [H, W], the index of the largest logit of each pixel.

        Returns:
            float32 [H, W], higher = more anomalous.
        """
        return score


class GridMethod(Method):
    """A method that computes scores at the resolution of the network's features or other outputs.

    Override `needs` and `grid_score`. oodbench then resizes the scores to the resolution of the labels. If the network
    processes sliding windows, each window is scored, and the scores are averaged where windows overlap.

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
        """Return the scores of a batch at the resolution h x w of the output that they are computed from.

        Args:
            output: The network's output for N images, with the parts that `needs` requests.

        Returns:
            float32 [N, h, w], higher = more anomalous.
        """
