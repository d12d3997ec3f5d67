"""Estimation of one class's mixture by expectation maximisation with Sinkhorn-balanced responsibilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from oodbench.mixture.density import ClassMixtures
from oodbench.mixture.sinkhorn import balanced_responsibilities

if TYPE_CHECKING:
    from torch import Tensor

# The least spread of a dimension, as a share of the mean over the dimensions.
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

    The components start at k-means++ seeds with the variance of all points. Each round assigns the points under the
    constraint that all components own the same share of them, which keeps any of them from dying or from taking all,
    and re-estimates means and variances.

    Args:
        points: float32 [n, D], n >= components.
        components: M.
        ridge: added to each variance, as a share of the points' own variance in that dimension.
        seed: of the starting points.
        iterations: rounds at most.
        tolerance: stop when the mean log-density of the points rises by less than this.

    Returns:
        mean and variance, float32 [M, D] each.
    """
    from sklearn.cluster import kmeans_plusplus  # two seconds that only a fit should wait for

    seeds, _ = kmeans_plusplus(points.numpy(), components, random_state=seed)
    mean = torch.from_numpy(seeds).to(points)
    spread = points.var(dim=0, correction=0)  # [D]
    # A unit that is silent in this class may speak in another: without a floor, one spark of it would outweigh all.
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
