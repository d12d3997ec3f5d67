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
    """The fact sheet of a head, the last layers of a network.

    Attributes:
        name: The name in recipes and checkpoints.
        title: The name in tables.
        paper: Authors, title, venue and year.
        url: The paper's address.
        version: Version of the head. Increase it whenever the outputs change, so that stored results of older versions
            are not reused.
    """

    name: str
    title: str
    paper: str
    url: str
    version: int = 1


@dataclass(frozen=True)
class HeadOutput:
    """The output of a head (the last layers of a network) for the decoder's features of N images.

    Attributes:
        class_maps: float32 [N, C, h, w], the logits of C classes: the input of softmax, argmax and cross entropy.
        features: float32 [N, D, h, w], the features from which the class maps were computed.
        extras: Additional outputs by name, float32 [N, ?, h, w]; empty for most heads.

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
    """A head, the last layers of a network: from the decoder's features to one map per class.

    A `Head` holds the parameters of the head and builds its torch module. The module is called with features float32
    [N, channels, h, w] and returns a `HeadOutput`. For training, the module must also be a `TrainingHead`.

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
        """Return the names of the additional outputs, the `extras` of the module's `HeadOutput`."""

    def training_only(self) -> tuple[str, ...]:
        """Return the state-dict prefixes of parameters that only training needs and that trained models omit."""
        return ()


class TrainingHead(ABC):
    """Interface that the torch module of a head (the last layers of a network) implements for training.

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
        """Return scalar losses by name; training minimises their sum.

        Args:
            output: The output of the module for the batch.
            labels: int64 [N, H, W], class indices; VOID (255) if the class is unknown.

        Returns:
            Scalar tensors with gradients, by the name in the training log.
        """

    def after_step(self, output: HeadOutput, labels: Tensor) -> None:
        """Update values without a gradient, such as the components of a mixture. Called after each optimiser step.

        Args:
            output: The output of the module for the batch of the step.
            labels: int64 [N, H, W], class indices; VOID (255) if the class is unknown.
        """
        return

    def facts(self) -> Mapping[str, float]:
        """Return numbers by name that the training log shows in addition to the losses."""
        return {}
