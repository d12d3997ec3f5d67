"""The two anomaly scores of a network with GMMSeg's head.

    gmmseg(x)      = -max_c s_c(x)           s_c: the class-conditional log-density
    gmmseg-norm(x) = -max_c y_c(x)           y: the class maps after the learned LayerNorm over the classes

Which of the two the paper's rows measure is not known. The density is brought to the label's resolution after the
maximum over classes was taken on the grid; the class maps before it, as every score on class maps. Mask2Former's class
maps are sums over queries, whose class posteriors are made of y: of them y here is the logarithm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oodbench.contracts import ClassMapBand, GridMethod, MethodCard, Needs, PixelMethod
from oodbench.types import LogitSummary, SegmenterOutput

if TYPE_CHECKING:
    from torch import Tensor

_PAPER = "Liang, Wang, Miao, Yang: GMMSeg: Gaussian Mixture based Generative Semantic Segmentation Models. NeurIPS 2022"
_URL = "https://arxiv.org/abs/2210.02025"
_LOG_DENSITY = "class_log_density"
_INSTEAD = "a network with GMMSeg's head gives it; for any other there is gmm-posthoc"


def density_score(class_log_density: Tensor) -> Tensor:
    """float32 [N, C, h, w] -> [N, h, w], higher = more anomalous."""
    return -class_log_density.amax(dim=1)


def normalised_score(summary: LogitSummary) -> Tensor:
    """float32 [h, w], higher = more anomalous."""
    return -summary.best


class GMMSeg(GridMethod):
    """The density itself."""

    card = MethodCard(name="gmmseg", title="GMMSeg", paper=_PAPER, url=_URL, retraining=True, basic=True)

    def needs(self) -> Needs:
        return Needs(extras=(_LOG_DENSITY,), instead=_INSTEAD)

    def grid_score(self, output: SegmenterOutput) -> Tensor:
        return density_score(output.extras[_LOG_DENSITY])


class GMMSegNorm(PixelMethod):
    """After the normalisation over the classes."""

    card = MethodCard(
        name="gmmseg-norm", title="GMMSeg (normalised)", paper=_PAPER, url=_URL, retraining=True, basic=True
    )

    def needs(self) -> Needs:
        # The class maps alone would do; the density says that they are GMMSeg's.
        return Needs(logits=True, extras=(_LOG_DENSITY,), instead=_INSTEAD)

    def pixel_score(self, band: ClassMapBand) -> Tensor:
        return normalised_score(band.summary)
