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
    """The fact sheet of a head."""

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
    """

    class_maps: Tensor
    features: Tensor
    extras: Mapping[str, Tensor]


class Head(ABC):
    """One kind of head with its parameters. It builds the torch module that is trained and run.

    The module is called with features float32 [N, channels, h, w] and returns a `HeadOutput`. For training it must also
    be a `TrainingHead`.
    """

    card: ClassVar[HeadCard]
    Params: ClassVar[type[Parameters]] = Parameters

    def __init__(self, params: Parameters) -> None:
        self.params = params

    @abstractmethod
    def build(self, channels: int, classes: int) -> Module:
        """Build a new module for decoder features of `channels` maps and for `classes` classes."""

    @abstractmethod
    def extras(self) -> tuple[str, ...]:
        """Return the names of the extras in the module's output."""

    def training_only(self) -> tuple[str, ...]:
        """Return the state-dict prefixes of parameters that are only needed for training and are not shipped."""
        return ()


class TrainingHead(ABC):
    """The interface between the training loop and a head's module."""

    @abstractmethod
    def loss(self, output: HeadOutput, labels: Tensor) -> Mapping[str, Tensor]:
        """Return scalar losses by name, which are summed and minimised.

        Args:
            output: The output of the module for the batch.
            labels: int64 [N, H, W], class indices; VOID if the class is unknown.
        """

    def after_step(self, output: HeadOutput, labels: Tensor) -> None:
        """Update non-gradient state. Called once after each optimiser step."""
        return

    def facts(self) -> Mapping[str, float]:
        """Return the numbers that the training log shows in addition to the losses."""
        return {}
