"""Max logit: minus the largest logit.

    s(x) = -max_c l_c(x)

Hendrycks, Basart, Mazeika, Zou, Kwon, Mostajabi, Steinhardt, Song, "Scaling Out-of-Distribution Detection for
Real-World Settings", ICML 2022.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from oodbench.contracts import ClassMapBand, MethodCard, PixelMethod
from oodbench.types import LogitSummary

if TYPE_CHECKING:
    from torch import Tensor

PLUGINS = {"methods": {"max-logit": ("MaxLogit", "minus the largest logit")}}


def max_logit(summary: LogitSummary) -> Tensor:
    """Compute the max-logit score.

    Args:
        summary: Summary of the logits, float32 [h, w] per field.

    Returns:
        float32 [h, w], higher = more anomalous.
    """
    return -summary.best


class MaxLogit(PixelMethod):
    """Minus the largest logit, without parameters or fit."""

    card = MethodCard(
        name="max-logit",
        title="Max logit",
        paper="Hendrycks, Basart, Mazeika et al.: Scaling Out-of-Distribution Detection for Real-World Settings. "
        "ICML 2022",
        url="https://arxiv.org/abs/1911.11132",
        published="SegmentMeIfYouCan; Jung et al., ICCV 2021, table 2",
        standard=True,
    )

    @override
    def pixel_score(self, band: ClassMapBand) -> Tensor:
        return max_logit(band.summary)
