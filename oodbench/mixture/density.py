"""Log-densities of one mixture of diagonal Gaussians per class, computed as one matrix product.

    log N(x; mu, v) = b + sum_d (mu_d / v_d) x_d - sum_d x_d^2 / (2 v_d)
    b               = -1/2 sum_d (log 2 pi + log v_d + mu_d^2 / v_d)

This is linear in [x, x^2]. N points under K components need a product of [N, 2D] with [2D, K], but no tensor N x K x D.
The terms cancel if |mu| is large compared to the standard deviation, so x is centred on the mean of all means. The
gradient with respect to x is a product of [N, K] with [K, 2D]. Only x is saved for it, not [x, x^2].
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from typing_extensions import override

if TYPE_CHECKING:
    from torch import Tensor

# Pixels per chunk: enough to share the work among threads, and their densities under a hundred components take 6 MB.
_CHUNK = 16_384
# A component this far below the largest one does not change the float32 sum. Without the limit, exp would underflow to
# subnormal numbers, with which processors compute several times as slowly.
_NEGLIGIBLE = -30.0


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
        centre, weight, offset = _compute_coefficients(self.mean, self.variance)
        return centre.float(), weight.float(), offset.float()

    def log_density(self, points: Tensor) -> Tensor:
        """Return the log-density of points [N, D] under each component, float32 [N, C, M]."""
        return _compute_log_density(points, *self._coefficients).view(-1, *self.mean.shape[:2])

    def class_log_density(self, points: Tensor, combine: Literal["sum", "max"] = "sum") -> Tensor:
        """Return the log-density of points [N, D] per class, float32 [N, C].

        Args:
            points: float32 [N, D].
            combine: `sum` for the log of the mixture with equal weights 1/M, `max` for the largest component's
                log-density.
        """
        classes, components, _ = self.mean.shape
        centre, weight, offset = self._coefficients
        # One row per component, and the rows of the m-th components of all classes together: each operation below then
        # runs along the points.
        rows = weight.T.view(classes, components, -1).transpose(0, 1).flatten(0, 1)  # [M * C, 2D]
        offsets = offset.view(classes, components).T.reshape(-1, 1)  # [M * C, 1]
        parts = []
        for chunk in torch.split(points, _CHUNK):
            x = (chunk - centre).T  # [D, n]
            density = torch.addmm(offsets, rows, torch.cat([x, x.square()])).view(components, classes, -1)
            best = density.amax(dim=0)  # [C, n]
            if combine == "sum":
                total = (density - best).clamp_min_(_NEGLIGIBLE).exp_().sum(dim=0)
                best = best + total.log_() - math.log(components)
            parts.append(best)
        return torch.cat(parts, dim=1).T


def component_log_density(points: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """Return log-densities [N, C, M] of points [N, D] under means and variances [C, M, D] that change with each call.

    The result has the precision of the points. Only the points receive gradients.
    """
    coefficients = (part.to(points.dtype) for part in _compute_coefficients(mean, variance))
    return _compute_log_density(points, *coefficients).view(-1, *mean.shape[:2])


def _compute_coefficients(mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the centre [D], the weights [2D, K] and the offsets [K], in double precision."""
    mean, variance = mean.double().flatten(0, 1), variance.double().flatten(0, 1)  # [K, D]
    centre = mean.mean(dim=0)
    mean = mean - centre
    weight = torch.cat([mean / variance, -0.5 / variance], dim=1).T
    offset = -0.5 * (math.log(2 * math.pi) + variance.log() + mean.square() / variance).sum(dim=1)
    return centre, weight.contiguous(), offset


def _compute_log_density(points: Tensor, centre: Tensor, weight: Tensor, offset: Tensor) -> Tensor:
    """Return the log-density of points [N, D] under K components, [N, K]."""
    density: Tensor = _LogDensity.apply(points, centre, weight, offset)  # type: ignore[no-untyped-call]
    return density


class _LogDensity(Function):
    """The matrix product, with a gradient for the points only; autocast affects neither direction."""

    @staticmethod
    @override
    def forward(context: Any, points: Tensor, centre: Tensor, weight: Tensor, offset: Tensor) -> Tensor:
        context.save_for_backward(points, centre, weight)
        with torch.autocast(points.device.type, enabled=False):
            x = points - centre
            return torch.addmm(offset, torch.cat([x, x.square()], dim=1), weight)

    @staticmethod
    @once_differentiable
    @override
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        points, centre, weight = context.saved_tensors
        with torch.autocast(points.device.type, enabled=False):
            linear, quadratic = (gradient @ weight.T).chunk(2, dim=1)  # [N, D] each
            return linear + quadratic * (2 * (points - centre)), None, None, None
