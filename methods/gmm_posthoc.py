"""A Gaussian mixture a class, fitted after the fact to the frozen features of any network.

    s(x) = -max_c log p(f(x) | c),   p(f | c) = 1/M sum_m N(f; mu_cm, diag v_cm)

The density of GMMSeg (Liang, Wang, Miao, Yang, "GMMSeg: Gaussian Mixture based Generative Semantic Segmentation
Models", NeurIPS 2022) on features that were not trained for it. This is not GMMSeg, whose head is trained with the
network. Features are standardised, or whitened within the classes; each class's mixture is fitted to convergence by EM
with balanced responsibilities (oodbench.mixture) on a class-balanced sample of labelled pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import torch
from pydantic import Field

from oodbench.contracts import Fit, GridMethod, MethodCard, Needs, Parameters
from oodbench.errors import DataError
from oodbench.mixture import ClassMixtures, fit_components
from oodbench.numerics import ClassReservoir
from oodbench.types import ClassSet, SegmenterOutput, SemanticLabels

if TYPE_CHECKING:
    from torch import Tensor

PLUGINS = {"methods": {"gmm-posthoc": ("GMMPosthoc", "density of Gaussian mixtures fitted to a network's features")}}

# A dimension whose spread is a smaller share than this of the largest does not move.
_STILL = 1e-6


def gmm_score(points: Tensor, mixtures: ClassMixtures) -> Tensor:
    """Minus the largest class-conditional log-density: points float32 [N, D] -> float32 [N]."""
    return -mixtures.class_log_density(points).amax(dim=1)


class GMMPosthoc(GridMethod):
    """Fitted: the map that standardises features, and a mixture a class."""

    class Params(Parameters):
        components: int = Field(5, ge=1, description="Gaussians a class")
        features: str = Field("penultimate", description="role of the features")
        pixels_per_class: int = Field(8000, ge=1, description="labelled pixels drawn of each class")
        minimum: int = Field(50, ge=1, description="a class with fewer pixels takes the statistics of all")
        ridge: float = Field(1e-3, gt=0, description="added to each variance, as a share of the class's own")
        whiten: Literal["standardise", "within-class"] = Field(
            "standardise", description="each dimension by itself, or all by their covariance within the classes"
        )

    card = MethodCard(
        name="gmm-posthoc",
        title="GMM post hoc",
        paper="the density of Liang, Wang, Miao, Yang: GMMSeg, NeurIPS 2022, on frozen features",
        url="https://arxiv.org/abs/2210.02025",
    )
    params: Params

    def needs(self) -> Needs:
        return Needs(features=(self.params.features,), fit=True)

    def begin_fit(self, classes: ClassSet, seed: int) -> None:
        self._classes, self._seed = classes, seed
        self._reservoir = ClassReservoir(len(classes), self.params.pixels_per_class, seed)

    def update(self, output: SegmenterOutput, labels: Sequence[SemanticLabels]) -> None:
        for features, label in zip(output.features[self.params.features], labels, strict=True):
            self._reservoir.add(features, label)

    def fitted(self) -> Fit:
        params, names = self.params, self._classes.names
        enough = max(params.minimum, params.components)
        samples = {
            name: sample for index, name in enumerate(names) if (sample := self._reservoir.pixels(index)) is not None
        }
        own = {name: sample for name, sample in samples.items() if len(sample) >= enough}
        if not own:
            raise DataError(
                f"gmm-posthoc: no class has {enough} labelled pixels in the fit frames",
                "Give more in-distribution frames, or lower 'minimum'.",
            )
        shift, turn = _whitening(list(own.values()), params.whiten)
        whitened = {name: (sample - shift) @ turn for name, sample in own.items()}
        fits = {
            name: fit_components(points, params.components, ridge=params.ridge, seed=self._seed)
            for name, points in whitened.items()
        }
        means, variances = [], []
        for name in names:
            if name in fits:
                mean, variance = fits[name]
            elif name in samples:
                # Too few pixels for a spread of its own: their mean, with the spread that classes have on average.
                mean = ((samples[name] - shift) @ turn).mean(dim=0).expand(params.components, -1)
                pooled = torch.stack([own_variance.mean(dim=0) for _, own_variance in fits.values()]).mean(dim=0)
                variance = pooled.expand(params.components, -1)
            else:
                continue
            means.append(mean)
            variances.append(variance)
        facts = {
            "pixels_seen": {name: int(self._reservoir.seen[index]) for index, name in enumerate(names)},
            "pooled_classes": [name for name in samples if name not in fits],
            "absent_classes": [name for name in names if name not in samples],
        }
        tensors = {"mean": torch.stack(means), "variance": torch.stack(variances), "shift": shift, "turn": turn}
        return Fit(tensors, facts)

    def load(self, fit: Fit) -> None:
        self._mixtures = ClassMixtures(fit.tensors["mean"], fit.tensors["variance"])
        self._shift, self._turn = fit.tensors["shift"], fit.tensors["turn"]

    def grid_score(self, output: SegmenterOutput) -> Tensor:
        features = output.features[self.params.features].cpu()  # [N, D, h, w]
        count, _, height, width = features.shape
        points = features.permute(0, 2, 3, 1).flatten(0, 2)  # [N * h * w, D]
        return gmm_score((points - self._shift) @ self._turn, self._mixtures).view(count, height, width)


def _whitening(samples: Sequence[Tensor], kind: Literal["standardise", "within-class"]) -> tuple[Tensor, Tensor]:
    """The shift [D] and the matrix [D, D'] of x -> (x - shift) @ matrix, D' <= D."""
    everything = torch.cat(list(samples)).double()
    shift = everything.mean(dim=0)
    if kind == "standardise":
        spread = everything.std(dim=0)
        # A dimension that never moves (a dead unit) carries nothing and is left out.
        alive = spread > _STILL * spread.max()
        turn = torch.diag(1 / spread.clamp_min(torch.finfo(spread.dtype).tiny))[:, alive]
    else:
        within = torch.cat([sample - sample.mean(dim=0) for sample in samples]).double()
        values, vectors = torch.linalg.eigh(within.T @ within / len(within))
        turn = vectors / (values.clamp_min(0) + 1e-6 * values.max()).sqrt()
    return shift.float(), turn.float()
