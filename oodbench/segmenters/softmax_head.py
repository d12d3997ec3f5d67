"""The softmax head: a 1x1 convolution to the classes, trained with cross-entropy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import nn
from torch.nn import functional
from typing_extensions import override

from oodbench.contracts import Head, HeadCard, HeadOutput, TrainingHead
from oodbench.numerics import gather_labelled_pixels

if TYPE_CHECKING:
    from torch import Tensor

PLUGINS = {"heads": {"softmax": ("SoftmaxHead", "a 1x1 convolution to the classes, trained with cross-entropy")}}


class SoftmaxHead(Head):
    """The softmax head as a plugin. It has no parameters."""

    card = HeadCard("softmax", "Softmax", "Long, Shelhamer, Darrell: Fully Convolutional Networks. CVPR 2015",
                    "https://arxiv.org/abs/1411.4038")  # fmt: skip

    @override
    def build(self, channels: int, classes: int) -> nn.Module:
        return SoftmaxModule(channels, classes)

    @override
    def extras(self) -> tuple[str, ...]:
        return ()


class SoftmaxModule(nn.Module, TrainingHead):
    """The torch module of the softmax head."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.classifier = nn.Conv2d(channels, classes, 1)

    @override
    def forward(self, features: Tensor) -> HeadOutput:
        return HeadOutput(self.classifier(features), features, {})

    @override
    def loss(self, output: HeadOutput, labels: Tensor) -> Mapping[str, Tensor]:
        logits, targets = gather_labelled_pixels(output.class_maps, labels)
        total = functional.cross_entropy(logits, targets, reduction="sum")
        return {"loss_segmentation": total / max(len(targets), 1)}
