"""Estimation of the mixture of one class by expectation maximisation with Sinkhorn-balanced responsibilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from oodbench.mixture.density import ClassMixtures
from oodbench.mixture.sinkhorn import balanced_responsibilities

if TYPE_CHECKING:
    from torch import Tensor

# Lower bound for the variance of a dimension, as a share of the mean variance over the dimensions.
_FLOOR = 1e-3


def fit_components(
    points: Tensor,
    components: int,
    *,
    ridge: float,
    seed: int,
    iterations: int = 100,
    tolerance: float = 1e-3,
) -> tuple[Tensor, Tensor]:
    """Fit M diagonal Gaussians of equal weight to points [n, D].

    The components start at k-means++ seeds with the variance of all points. Each iteration assigns the points under the
    constraint that all components own an equal share, so that no component vanishes or takes all points. It then
    re-estimates means and variances.

    Args:
        points: float32 [n, D], n >= components.
        components: Number M of components.
        ridge: Value added to each variance, as a share of the points' variance in that dimension.
        seed: Seed of the starting points.
        iterations: Maximum number of iterations.
        tolerance: The fit stops if the mean log-density of the points rises by less than this.

    Returns:
        Means and variances, float32 [M, D] each.
    """
    from sklearn.cluster import kmeans_plusplus  # imported here because it takes two seconds

    seeds, _ = kmeans_plusplus(points.numpy(), components, random_state=seed)
    mean = torch.from_numpy(seeds).to(points)
    spread = points.var(dim=0, correction=0)  # [D]
    # A unit that is constant in this class may vary in another. Without a lower bound it would dominate the density.
    spread = spread.clamp_min(max(_FLOOR * float(spread.mean()), torch.finfo(points.dtype).eps))
    variance = spread.expand(components, -1)
    before = -torch.inf
    for _ in range(iterations):
        mixture = ClassMixtures(mean[None], variance[None])
        log_density = mixture.log_density(points)[:, 0]  # [n, M]
        now = float((log_density.logsumexp(dim=1)).mean())
        if now - before < tolerance:
            break
        before = now
        share = balanced_responsibilities(log_density)  # [n, M]
        mass = share.sum(dim=0)[:, None]  # [M, 1]
        mean = share.T @ points / mass
        second = share.T @ points.square() / mass
        variance = (second - mean.square()).clamp_min(0) + ridge * spread
    return mean, variance
