"""A head whose loss, or whose gradient alone, is no number at some step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field
from torch import Tensor, nn

from oodbench.contracts import Head, HeadCard, HeadOutput, Parameters
from oodbench.segmenters.softmax_head import SoftmaxModule

PLUGINS = {"heads": {"breaks": ("Breaks", "a loss or a gradient that becomes NaN")}}


class Module(SoftmaxModule):
    def __init__(self, channels: int, classes: int, at: int, where: str) -> None:
        super().__init__(channels, classes)
        self.at, self.where, self.step = at, where, 0

    def loss(self, output: HeadOutput, labels: Tensor) -> Mapping[str, Tensor]:
        self.step += 1
        losses = super().loss(output, labels)
        if self.step != self.at:
            return losses
        if self.where == "loss":
            return {name: loss * float("nan") for name, loss in losses.items()}
        # The root of nothing is nothing, and infinitely steep there.
        return {name: loss + (0 * loss).sqrt() for name, loss in losses.items()}


class Breaks(Head):
    """At a step."""

    class Params(Parameters):
        at: int = Field(1, description="the step, from 1 on")
        where: Literal["loss", "gradient"] = Field("loss", description="what is NaN")

    card = HeadCard("breaks", "Breaks", "none", "")
    params: Params

    def build(self, channels: int, classes: int) -> nn.Module:
        return Module(channels, classes, self.params.at, self.params.where)

    def extras(self) -> tuple[str, ...]:
        return ()
