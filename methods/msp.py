"""MSP: one minus the largest softmax probability.

    s(x) = 1 - max_c p_c(x),   p = softmax(l), or the network's posteriors

Hendrycks and Gimpel, "A Baseline for Detecting Misclassified and Out-of-Distribution Examples in Neural Networks", ICLR
2017. Computed as others / (1 + others), which keeps precision where the network is confident (oodbench.numerics).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from oodbench.contracts import ClassMapBand, MethodCard, Needs, PixelMethod
from oodbench.types import LogitSummary

if TYPE_CHECKING:
    from torch import Tensor

PLUGINS = {"methods": {"msp": ("MSP", "one minus the largest softmax probability")}}


def msp(summary: LogitSummary) -> Tensor:
    """Compute the MSP score.

    Args:
        summary: Summary of the logits, float32 [h, w] per field.

    Returns:
        float32 [h, w] in [0, 1 - 1/C], higher = more anomalous.
    """
    return summary.others / (1 + summary.others)


class MSP(PixelMethod):
    """One minus the largest softmax probability, without parameters or fit."""

    card = MethodCard(
        name="msp",
        title="MSP",
        paper="Hendrycks, Gimpel: A Baseline for Detecting Misclassified and Out-of-Distribution Examples. ICLR 2017",
        url="https://arxiv.org/abs/1610.02136",
        published="Fishyscapes; SegmentMeIfYouCan; Jung et al., ICCV 2021, table 2",
        basic=True,
        standard=True,
    )

    @override
    def needs(self) -> Needs:
        return Needs(class_maps=True)

    @override
    def pixel_score(self, band: ClassMapBand) -> Tensor:
        return msp(band.summary)
