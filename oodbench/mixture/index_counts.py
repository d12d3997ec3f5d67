"""Counts of indices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


def count_indices(indices: Tensor, size: int) -> Tensor:
    """Count how often each index occurs. Unlike torch.bincount, this does not wait for the GPU.

    Args:
        indices: int64 [n], below `size`.
        size: Number of possible indices.

    Returns:
        int64 [size].
    """
    return torch.zeros(size, dtype=torch.int64, device=indices.device).index_add_(0, indices, torch.ones_like(indices))
