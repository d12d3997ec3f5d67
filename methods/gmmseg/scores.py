"""The two anomaly scores of a network with GMMSeg's head.

    gmmseg(x)      = -max_c s_c(x)           s_c: the class-conditional log-density
    gmmseg-norm(x) = -max_c y_c(x)           y: the class maps after the learned LayerNorm over the classes

Liang, Wang, Miao, Yang, "GMMSeg", NeurIPS 2022. It is not known which of the two the results in the paper use. The
density is resized to the label's resolution after the maximum over the classes was computed on the grid. The class maps
are resized before it, as for every score on class maps. Mask2Former's class maps are unnormalised class scores; y
belongs to its queries, whose class posteriors are computed from y. For Mask2Former, gmmseg-norm uses the logarithm of
the class maps instead of y.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from oodbench.contracts import ClassMapBand, GridMethod, MethodCard, Needs, PixelMethod
from oodbench.types import LogitSummary, SegmenterOutput

if TYPE_CHECKING:
    from torch import Tensor

PLUGINS = {
    "methods": {
        "gmmseg": ("GMMSeg", "GMMSeg's density: minus the largest class-conditional log-density"),
        "gmmseg-norm": ("GMMSegNorm", "GMMSeg after its normalisation over the classes"),
    }
}

_PAPER = "Liang, Wang, Miao, Yang: GMMSeg: Gaussian Mixture based Generative Semantic Segmentation Models. NeurIPS 2022"
_URL = "https://arxiv.org/abs/2210.02025"
_LOG_DENSITY = "class_log_density"
_INSTEAD = "a network with GMMSeg's head provides it; use gmm-posthoc for other networks"


def density_score(class_log_density: Tensor) -> Tensor:
    """Compute minus the largest class-conditional log-density.

    Args:
        class_log_density: float32 [N, C, h, w], the class-conditional log-densities.

    Returns:
        float32 [N, h, w], higher = more anomalous.
    """
    return -class_log_density.amax(dim=1)


def normalised_score(summary: LogitSummary) -> Tensor:
    """Compute minus the largest normalised class score, float32 [h, w], higher = more anomalous."""
    return -summary.best


class GMMSeg(GridMethod):
    """The raw density of GMMSeg."""

    card = MethodCard(name="gmmseg", title="GMMSeg", paper=_PAPER, url=_URL, retraining=True, basic=True, standard=True)

    @override
    def needs(self) -> Needs:
        return Needs(extras=(_LOG_DENSITY,), instead=_INSTEAD)

    @override
    def grid_score(self, output: SegmenterOutput) -> Tensor:
        return density_score(output.extras[_LOG_DENSITY])


class GMMSegNorm(PixelMethod):
    """The density of GMMSeg after normalisation over the classes."""

    card = MethodCard(
        name="gmmseg-norm",
        title="GMMSeg (normalised)",
        paper=_PAPER,
        url=_URL,
        retraining=True,
        basic=True,
        standard=True,
    )

    @override
    def needs(self) -> Needs:
        # Only the class maps are read; the density ensures that they come from GMMSeg's head.
        return Needs(logits=True, extras=(_LOG_DENSITY,), instead=_INSTEAD)

    @override
    def pixel_score(self, band: ClassMapBand) -> Tensor:
        return normalised_score(band.summary)
