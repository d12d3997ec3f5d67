"""The usual head: a 1x1 convolution to the classes, trained by cross entropy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import nn
from torch.nn import functional

from oodbench.contracts import Head, HeadCard, HeadOutput, TrainingHead
from oodbench.numerics import gather_labelled_pixels

if TYPE_CHECKING:
    from torch import Tensor

PLUGINS = {"heads": {"softmax": ("SoftmaxHead", "a 1x1 convolution to the classes, trained by cross entropy")}}


class SoftmaxHead(Head):
    """No parameters."""

    card = HeadCard("softmax", "Softmax", "Long, Shelhamer, Darrell: Fully Convolutional Networks. CVPR 2015",
                    "https://arxiv.org/abs/1411.4038")  # fmt: skip

    def build(self, channels: int, classes: int) -> nn.Module:
        return SoftmaxModule(channels, classes)

    def extras(self) -> tuple[str, ...]:
        return ()


class SoftmaxModule(nn.Module, TrainingHead):
    """The head as it is trained and run."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.classifier = nn.Conv2d(channels, classes, 1)

    def forward(self, features: Tensor) -> HeadOutput:
        return HeadOutput(self.classifier(features), features, {})

    def loss(self, output: HeadOutput, labels: Tensor) -> Mapping[str, Tensor]:
        logits, known = gather_labelled_pixels(output.class_maps, labels)
        total = functional.cross_entropy(logits, known, reduction="sum")
        return {"loss_segmentation": total / max(len(known), 1)}
