"""Responsibilities under which every component owns the same share of the data (Sinkhorn-Knopp)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def balanced_responsibilities(log_density: Tensor, iterations: int = 20, epsilon: float = 1.0) -> Tensor:
    """Entropic optimal transport from n points to M components of equal mass.

    Args:
        log_density: [n, M], the log-density of each point under each component.
        iterations: rounds of normalising columns, then rows.
        epsilon: the temperature; 1 is the likelihood's own, smaller is harder.

    Returns:
        [n, M]; each row sums to one, each column to about n / M, the closer the more iterations.
    """
    plan = log_density / epsilon
    for _ in range(iterations):
        plan = plan - plan.logsumexp(dim=0, keepdim=True)  # columns: mass 1 each
        plan = plan - plan.logsumexp(dim=1, keepdim=True)  # rows: mass 1 each
    return plan.exp()
