"""What stands on a network's decoder: from features to class maps, with the loss that trains it."""

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
    """What a head makes of the decoder's features.

    Attributes:
        class_maps: float32 [N, C, h, w], what softmax, argmax and cross entropy read.
        features: float32 [N, D, h, w], what the class maps were computed from.
        extras: float32 [N, ?, h, w] by name: what some heads give beside them.
    """

    class_maps: Tensor
    features: Tensor
    extras: Mapping[str, Tensor]


class Head(ABC):
    """One kind of head with its parameters. It makes the torch module that is trained and run.

    The module is called with features float32 [N, channels, h, w] and returns a `HeadOutput`. In training it is a
    `TrainingHead` too.
    """

    card: ClassVar[HeadCard]
    Params: ClassVar[type[Parameters]] = Parameters

    def __init__(self, params: Parameters) -> None:
        self.params = params

    @abstractmethod
    def build(self, channels: int, classes: int) -> Module:
        """A new module for decoder features of `channels` maps and that many classes."""

    @abstractmethod
    def extras(self) -> tuple[str, ...]:
        """Names of the extras that its module gives."""

    def training_only(self) -> tuple[str, ...]:
        """Prefixes of the names in the module's state that are of use in training alone, and are not shipped."""
        return ()


class TrainingHead(ABC):
    """What the training loop asks of a head's module."""

    @abstractmethod
    def loss(self, output: HeadOutput, labels: Tensor) -> Mapping[str, Tensor]:
        """Scalars by name that are summed and minimised; labels: int64 [N, H, W], VOID where nothing is known."""

    def after_step(self, output: HeadOutput, labels: Tensor) -> None:
        """Called once after each step of the optimiser: what moves by no gradient moves here."""
        return

    def facts(self) -> Mapping[str, float]:
        """What the log shows of it beside the losses."""
        return {}
