"""Head whose loss, or only its gradient, becomes NaN at a given step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field
from torch import Tensor, nn

from oodbench.contracts import Head, HeadCard, HeadOutput, Parameters
from oodbench.segmenters.softmax_head import SoftmaxModule

PLUGINS = {"heads": {"breaks": ("BreakingHead", "a loss or a gradient that becomes NaN")}}


class BreakingModule(SoftmaxModule):
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
        # The square root of 0 is 0, with an infinite gradient.
        return {name: loss + (0 * loss).sqrt() for name, loss in losses.items()}


class BreakingHead(Head):
    """Head whose loss or gradient becomes NaN."""

    class Params(Parameters):
        at: int = Field(1, description="step, counted from 1")
        where: Literal["loss", "gradient"] = Field("loss", description="what is NaN")

    card = HeadCard("breaks", "BreakingHead", "none", "")
    params: Params

    def build(self, channels: int, classes: int) -> nn.Module:
        return BreakingModule(channels, classes, self.params.at, self.params.where)

    def extras(self) -> tuple[str, ...]:
        return ()
