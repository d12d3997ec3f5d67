"""Responsibilities under which all components own an equal share of the data (Sinkhorn-Knopp)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def balanced_responsibilities(log_density: Tensor, iterations: int = 20, epsilon: float = 1.0) -> Tensor:
    """Compute the entropic optimal transport from n points to M components of equal mass.

    Args:
        log_density: [n, M], the log-density of each point under each component.
        iterations: Number of rounds that normalise columns, then rows.
        epsilon: Temperature; 1 is that of the likelihood, smaller values give harder assignments.

    Returns:
        [n, M]. Each row sums to one, and each column to about n / M, more closely with more iterations.
    """
    plan = log_density / epsilon
    for _ in range(iterations):
        plan = plan - plan.logsumexp(dim=0, keepdim=True)  # columns: mass 1 each
        plan = plan - plan.logsumexp(dim=1, keepdim=True)  # rows: mass 1 each
    return plan.exp()
