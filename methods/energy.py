"""Energy: minus the log of the sum of the exponentials of the logits.

    s(x) = -log sum_c exp l_c(x)

Liu, Wang, Owens, Li, "Energy-based Out-of-distribution Detection", NeurIPS 2020, at temperature 1. Not reproduced:
fine-tuning with outliers, and the 7 x 7 blur that some road-scene code applies to this score.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from oodbench.contracts import ClassMapBand, MethodCard, PixelMethod
from oodbench.types import LogitSummary

if TYPE_CHECKING:
    from torch import Tensor

PLUGINS = {"methods": {"energy": ("Energy", "minus the log-sum-exp of the logits")}}


def energy(summary: LogitSummary) -> Tensor:
    """Compute the energy score.

    Args:
        summary: Summary of the logits, float32 [h, w] per field.

    Returns:
        float32 [h, w], higher = more anomalous.
    """
    return -(summary.best + summary.others.log1p())


class Energy(PixelMethod):
    """Energy score, without parameters or fit."""

    card = MethodCard(
        name="energy",
        title="Energy",
        paper="Liu, Wang, Owens, Li: Energy-based Out-of-distribution Detection. NeurIPS 2020",
        url="https://arxiv.org/abs/2010.03759",
        standard=True,
    )

    @override
    def pixel_score(self, band: ClassMapBand) -> Tensor:
        return energy(band.summary)
