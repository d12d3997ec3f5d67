"""Entropy of the softmax distribution, in nats.

    s(x) = -sum_c p_c(x) log p_c(x),   p = softmax(l), or the network's posteriors

A baseline of the Fishyscapes benchmark (Blum et al., IJCV 2021), computed as log1p(others) + shortfall / (1 + others)
(oodbench.numerics). As there, the entropy is not divided by log C; such a constant changes neither AP nor FPR.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from oodbench.contracts import ClassMapBand, MethodCard, Needs, PixelMethod
from oodbench.types import LogitSummary

if TYPE_CHECKING:
    from torch import Tensor

PLUGINS = {"methods": {"entropy": ("Entropy", "entropy of the softmax distribution")}}


def entropy(summary: LogitSummary) -> Tensor:
    """Compute the entropy score.

    Args:
        summary: Summary of the logits, float32 [h, w] per field.

    Returns:
        float32 [h, w] in [0, log C], higher = more anomalous.
    """
    return summary.others.log1p() + summary.shortfall / (1 + summary.others)


class Entropy(PixelMethod):
    """Entropy of the softmax distribution, without parameters or fit."""

    card = MethodCard(
        name="entropy",
        title="Entropy",
        paper="Blum, Sarlin, Nieto, Siegwart, Cadena: The Fishyscapes Benchmark. IJCV 2021",
        url="https://arxiv.org/abs/1904.03215",
        published="Fishyscapes; Jung et al., ICCV 2021, table 2",
        basic=True,
        standard=True,
    )

    @override
    def needs(self) -> Needs:
        return Needs(class_maps=True)

    @override
    def pixel_score(self, band: ClassMapBand) -> Tensor:
        return entropy(band.summary)
