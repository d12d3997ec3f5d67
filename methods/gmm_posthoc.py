"""One Gaussian mixture per class, fitted post hoc to the frozen features of any network.

    s(x) = -max_c log p(f(x) | c),   p(f | c) = 1/M sum_m N(f; mu_cm, diag v_cm)

This is the density of GMMSeg (Liang, Wang, Miao, Yang, "GMMSeg: Gaussian Mixture based Generative Semantic Segmentation
Models", NeurIPS 2022) on features that were not trained for it. It is not GMMSeg, whose head is trained with the
network. Features are standardised, or whitened within the classes. The mixture of each class is fitted until
convergence by EM with balanced responsibilities (oodbench.mixture), on a class-balanced sample of labelled pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import torch
from pydantic import Field
from typing_extensions import override

from oodbench.contracts import Fit, GridMethod, MergeableFit, MethodCard, Needs, Parameters
from oodbench.errors import DataError
from oodbench.mixture import ClassMixtures, fit_components
from oodbench.numerics import ClassReservoir
from oodbench.types import ClassSet, SegmenterOutput, SemanticLabels

if TYPE_CHECKING:
    from torch import Tensor

PLUGINS = {"methods": {"gmm-posthoc": ("GMMPosthoc", "density of Gaussian mixtures fitted to a network's features")}}

# A dimension counts as constant if its standard deviation is below this share of the largest one.
_CONSTANT = 1e-6


def gmm_score(points: Tensor, mixtures: ClassMixtures) -> Tensor:
    """Compute minus the largest class-conditional log-density.

    Args:
        points: float32 [N, D], normalised features.
        mixtures: One mixture per class.

    Returns:
        float32 [N], higher = more anomalous.
    """
    return -mixtures.class_log_density(points).amax(dim=1)


class GMMPosthoc(MergeableFit[ClassReservoir], GridMethod):
    """Density of post-hoc mixtures. The fitted state: normalisation of the features, one mixture per class."""

    class Params(Parameters):
        """Parameters of the post-hoc mixtures."""

        components: int = Field(5, ge=1, description="Gaussians per class")
        features: str = Field("penultimate", description="role of the features")
        pixels_per_class: int = Field(8000, ge=1, description="labelled pixels sampled per class")
        minimum: int = Field(50, ge=1, description="a class with fewer pixels uses the statistics of all classes")
        ridge: float = Field(1e-3, gt=0, description="added to each variance, as a share of the class's variance")
        whiten: Literal["standardise", "within-class"] = Field(
            "standardise", description="scale each dimension separately, or whiten by the covariance within classes"
        )

    card = MethodCard(
        name="gmm-posthoc",
        title="GMM post hoc",
        paper="the density of Liang, Wang, Miao, Yang: GMMSeg, NeurIPS 2022, on frozen features",
        url="https://arxiv.org/abs/2210.02025",
        version=2,
        standard=True,
    )
    params: Params

    @override
    def needs(self) -> Needs:
        return Needs(features=(self.params.features,), fit=True)

    @override
    def begin_fit(self, classes: ClassSet, seed: int) -> None:
        self._classes, self._seed = classes, seed
        self._reservoir = ClassReservoir(len(classes), self.params.pixels_per_class, seed)

    @override
    def frame_states(
        self, output: SegmenterOutput, labels: Sequence[SemanticLabels], frames: Sequence[str]
    ) -> Sequence[ClassReservoir]:
        parts = zip(output.features[self.params.features], labels, frames, strict=True)
        return [self._reservoir.of_frame(features, label, frame) for features, label, frame in parts]

    @override
    def merge(self, state: ClassReservoir) -> None:
        self._reservoir.merge(state)

    @override
    def fitted(self) -> Fit:
        params, names = self.params, self._classes.names
        enough = max(params.minimum, params.components)
        samples = {
            name: sample for index, name in enumerate(names) if (sample := self._reservoir.pixels(index)) is not None
        }
        sufficient = {name: sample for name, sample in samples.items() if len(sample) >= enough}
        if not sufficient:
            raise DataError(
                f"gmm-posthoc: no class has {enough} labelled pixels in the fit frames",
                "Use more in-distribution frames, or lower 'minimum'.",
            )
        shift, turn = _estimate_whitening(list(sufficient.values()), params.whiten)
        whitened = {name: (sample - shift) @ turn for name, sample in sufficient.items()}
        fits = {
            name: fit_components(points, params.components, ridge=params.ridge, seed=self._seed)
            for name, points in whitened.items()
        }
        means, variances = [], []
        for name in names:
            if name in fits:
                mean, variance = fits[name]
            elif name in samples:
                # Too few pixels to estimate a variance: use their mean and the average variance over the classes.
                mean = ((samples[name] - shift) @ turn).mean(dim=0).expand(params.components, -1)
                pooled = torch.stack([fitted_variance.mean(dim=0) for _, fitted_variance in fits.values()]).mean(dim=0)
                variance = pooled.expand(params.components, -1)
            else:
                continue
            means.append(mean)
            variances.append(variance)
        facts = {
            "pixels_seen": {name: int(self._reservoir.pixel_counts[index]) for index, name in enumerate(names)},
            "pooled_classes": [name for name in samples if name not in fits],
            "absent_classes": [name for name in names if name not in samples],
        }
        tensors = {"mean": torch.stack(means), "variance": torch.stack(variances), "shift": shift, "turn": turn}
        return Fit(tensors, facts)

    @override
    def load(self, fit: Fit) -> None:
        self._mixtures = ClassMixtures(fit.tensors["mean"], fit.tensors["variance"])
        self._shift, self._turn = fit.tensors["shift"], fit.tensors["turn"]

    @override
    def grid_score(self, output: SegmenterOutput) -> Tensor:
        features = output.features[self.params.features].cpu()  # [N, D, h, w]
        height, width = features.shape[-2:]
        points = features.flatten(2).transpose(1, 2)  # [N, h * w, D]
        scores = [gmm_score((frame - self._shift) @ self._turn, self._mixtures) for frame in points]  # [h * w] each
        return torch.stack(scores).view(-1, height, width)


def _estimate_whitening(
    samples: Sequence[Tensor], kind: Literal["standardise", "within-class"]
) -> tuple[Tensor, Tensor]:
    """Estimate the shift [D] and the matrix [D, D'] of x -> (x - shift) @ matrix, with D' <= D."""
    everything = torch.cat(list(samples)).double()
    shift = everything.mean(dim=0)
    if kind == "standardise":
        spread = everything.std(dim=0)
        # A constant dimension (a dead unit) carries no information and is removed.
        alive = spread > _CONSTANT * spread.max()
        turn = torch.diag(1 / spread.clamp_min(torch.finfo(spread.dtype).tiny))[:, alive]
    else:
        within = torch.cat([sample - sample.mean(dim=0) for sample in samples]).double()
        values, vectors = torch.linalg.eigh(within.T @ within / len(within))
        turn = vectors / (values.clamp_min(0) + 1e-6 * values.max()).sqrt()
    return shift.float(), turn.float()
