"""Entropy of the softmax distribution, in nats.

    s(x) = -sum_c p_c(x) log p_c(x),   p = softmax(l), or the network's own posteriors

A baseline of the Fishyscapes benchmark (Blum et al., IJCV 2021), there without a division by log C; any such constant
leaves AP and FPR as they are. Computed as log1p(others) + shortfall / (1 + others) (oodbench.numerics).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oodbench.contracts import ClassMapBand, MethodCard, Needs, PixelMethod
from oodbench.types import LogitSummary

if TYPE_CHECKING:
    from torch import Tensor

PLUGINS = {"methods": {"entropy": ("Entropy", "entropy of the softmax distribution")}}


def entropy(summary: LogitSummary) -> Tensor:
    """float32 [h, w] in [0, log C], higher = more anomalous."""
    return summary.others.log1p() + summary.shortfall / (1 + summary.others)


class Entropy(PixelMethod):
    """No parameters, no fit."""

    card = MethodCard(
        name="entropy",
        title="Entropy",
        paper="Blum, Sarlin, Nieto, Siegwart, Cadena: The Fishyscapes Benchmark. IJCV 2021",
        url="https://arxiv.org/abs/1904.03215",
        published="Fishyscapes; Jung et al., ICCV 2021, table 2",
        basic=True,
    )

    def needs(self) -> Needs:
        return Needs(class_maps=True)

    def pixel_score(self, band: ClassMapBand) -> Tensor:
        return entropy(band.summary)
