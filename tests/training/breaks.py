"""A head whose loss is no number from some step on."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field
from torch import Tensor, nn

from oodbench.contracts import Head, HeadCard, HeadOutput, Parameters
from oodbench.segmenters.softmax_head import SoftmaxModule

PLUGINS = {"heads": {"breaks": ("Breaks", "a loss that becomes NaN")}}


class Module(SoftmaxModule):
    def __init__(self, channels: int, classes: int, at: int) -> None:
        super().__init__(channels, classes)
        self.at, self.step = at, 0

    def loss(self, output: HeadOutput, labels: Tensor) -> Mapping[str, Tensor]:
        self.step += 1
        return {
            name: loss * (float("nan") if self.step == self.at else 1)
            for name, loss in super().loss(output, labels).items()
        }


class Breaks(Head):
    """At a step."""

    class Params(Parameters):
        at: int = Field(1, description="the step, from 1 on")

    card = HeadCard("breaks", "Breaks", "none", "")
    params: Params

    def build(self, channels: int, classes: int) -> nn.Module:
        return Module(channels, classes, self.params.at)

    def extras(self) -> tuple[str, ...]:
        return ()
