"""The head of a network: the layers from decoder features to class maps, and the loss that trains them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from oodbench.contracts.method import Parameters

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module


@dataclass(frozen=True)
class HeadCard:
    """The fact sheet of a head.

    Attributes:
        name: The public name.
        title: The name in tables.
        paper: Authors, title, venue and year.
        url: The paper's address.
        version: Increased whenever the outputs change; stored results of another version are not reused.
    """

    name: str
    title: str
    paper: str
    url: str
    version: int = 1


@dataclass(frozen=True)
class HeadOutput:
    """The output of a head for a batch of decoder features.

    Attributes:
        class_maps: float32 [N, C, h, w], the input of softmax, argmax and cross entropy.
        features: float32 [N, D, h, w], the features from which the class maps were computed.
        extras: float32 [N, ?, h, w] by name: additional outputs of some heads.

    Examples:
        >>> import torch
        >>> from oodbench.contracts import HeadOutput
        >>> output = HeadOutput(torch.zeros(1, 19, 4, 6), features=torch.zeros(1, 8, 4, 6), extras={})
        >>> output.class_maps.shape[1]
        19
    """

    class_maps: Tensor
    features: Tensor
    extras: Mapping[str, Tensor]


class Head(ABC):
    """One kind of head with its parameters. It builds the torch module that is trained and run.

    The module is called with features float32 [N, channels, h, w] and returns a `HeadOutput`. For training it must also
    be a `TrainingHead`.

    Args:
        params: The parameters, an instance of `Params`.

    Attributes:
        card: The fact sheet.
        Params: The class of the parameters.

    Examples:
        >>> import torch
        >>> from torch import nn
        >>> from oodbench.contracts import Head, HeadCard, HeadOutput, Parameters
        >>> class Linear(nn.Conv2d):
        ...     def forward(self, features):
        ...         return HeadOutput(super().forward(features), features, {})
        >>> class LinearHead(Head):
        ...     card = HeadCard("linear", "Linear", "none", "")
        ...
        ...     def build(self, channels, classes):
        ...         return Linear(channels, classes, 1)
        ...
        ...     def extras(self):
        ...         return ()
        >>> module = LinearHead(Parameters()).build(channels=8, classes=19)
        >>> list(module(torch.zeros(1, 8, 4, 6)).class_maps.shape)
        [1, 19, 4, 6]
    """

    card: ClassVar[HeadCard]
    Params: ClassVar[type[Parameters]] = Parameters

    def __init__(self, params: Parameters) -> None:
        self.params = params

    @abstractmethod
    def build(self, channels: int, classes: int) -> Module:
        """Build a new module with random weights.

        Args:
            channels: Number of the decoder's feature maps.
            classes: Number of classes.

        Returns:
            A module from features float32 [N, channels, h, w] to a `HeadOutput`.
        """

    @abstractmethod
    def extras(self) -> tuple[str, ...]:
        """Return the names of the extras in the module's output."""

    def training_only(self) -> tuple[str, ...]:
        """Return the state-dict prefixes of parameters that are only needed for training and are not shipped."""
        return ()


class TrainingHead(ABC):
    """The interface between the training loop and a head's module.

    Examples:
        >>> import torch
        >>> from torch import nn
        >>> from oodbench.contracts import HeadOutput, TrainingHead
        >>> from oodbench.numerics import gather_labelled_pixels
        >>> class Linear(nn.Conv2d, TrainingHead):
        ...     def forward(self, features):
        ...         return HeadOutput(super().forward(features), features, {})
        ...
        ...     def loss(self, output, labels):
        ...         return {"ce": nn.functional.cross_entropy(*gather_labelled_pixels(output.class_maps, labels))}
        >>> module = Linear(8, 19, 1)
        >>> losses = module.loss(module(torch.zeros(1, 8, 4, 6)), torch.zeros(1, 8, 12, dtype=torch.long))
        >>> losses["ce"].ndim, losses["ce"].requires_grad
        (0, True)
    """

    @abstractmethod
    def loss(self, output: HeadOutput, labels: Tensor) -> Mapping[str, Tensor]:
        """Return scalar losses by name, which are summed and minimised.

        Args:
            output: The output of the module for the batch.
            labels: int64 [N, H, W], class indices; VOID if the class is unknown.

        Returns:
            Scalar tensors with gradients, by the name in the training log.
        """

    def after_step(self, output: HeadOutput, labels: Tensor) -> None:
        """Update state without a gradient, such as the components of a mixture. Called once after each optimiser step.

        Args:
            output: The output of the module for the batch of the step.
            labels: int64 [N, H, W], class indices; VOID if the class is unknown.
        """
        return

    def facts(self) -> Mapping[str, float]:
        """Return the numbers that the training log shows in addition to the losses."""
        return {}
