"""The density of a mixture of diagonal Gaussians a class, as one matrix product.

    log N(x; mu, v) = b + sum_d (mu_d / v_d) x_d - sum_d x_d^2 / (2 v_d)
    b               = -1/2 sum_d (log 2 pi + log v_d + mu_d^2 / v_d)

is linear in [x, x^2], so N points under K components cost a product of [N, 2D] with [2D, K], not a tensor of N x K x D.
The terms cancel where |mu| is large against the standard deviation; x is therefore taken about the mean of all means.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import torch

if TYPE_CHECKING:
    from torch import Tensor

# Pixels that are scored at once: their densities under some hundred components stay in the processor's cache.
_CHUNK = 4096


@dataclass(frozen=True)
class ClassMixtures:
    """C mixtures of M diagonal Gaussians of equal weight in D dimensions.

    Attributes:
        mean: float32 [C, M, D].
        variance: float32 [C, M, D].
    """

    mean: Tensor
    variance: Tensor

    @cached_property
    def _coefficients(self) -> tuple[Tensor, Tensor, Tensor]:
        return _coefficients(self.mean, self.variance)

    def log_density(self, points: Tensor) -> Tensor:
        """float32 [N, C, M], the log-density of points [N, D] under each component."""
        return _product(points, *self._coefficients).view(-1, *self.mean.shape[:2])

    def class_log_density(self, points: Tensor, combine: Literal["sum", "max"] = "sum") -> Tensor:
        """float32 [N, C]: log of the mixture with equal weights 1/M, or the largest component's log-density."""
        parts = []
        for chunk in torch.split(points, _CHUNK):
            log_density = self.log_density(chunk)
            if combine == "max":
                parts.append(log_density.amax(dim=2))
            else:
                parts.append(log_density.logsumexp(dim=2) - math.log(self.mean.shape[1]))
        return torch.cat(parts)


def component_log_density(points: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """float32 [N, C, M] of points [N, D] under means and variances [C, M, D] that change from call to call."""
    return _product(points, *_coefficients(mean, variance)).view(-1, *mean.shape[:2])


def _coefficients(mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The centre [D], the weights [2D, K] and the offsets [K], computed in double precision."""
    mean, variance = mean.double().flatten(0, 1), variance.double().flatten(0, 1)  # [K, D]
    centre = mean.mean(dim=0)
    mean = mean - centre
    weight = torch.cat([mean / variance, -0.5 / variance], dim=1).T
    offset = -0.5 * (math.log(2 * math.pi) + variance.log() + mean.square() / variance).sum(dim=1)
    return centre.float(), weight.float().contiguous(), offset.float()


def _product(points: Tensor, centre: Tensor, weight: Tensor, offset: Tensor) -> Tensor:
    """[N, K]."""
    x = points - centre
    return torch.addmm(offset, torch.cat([x, x.square()], dim=1), weight)
