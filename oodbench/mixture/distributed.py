"""Collective operations across the ranks of a distributed training; no-ops with a single process.

All ranks call each operation at the same point of a step and receive the same result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import distributed

if TYPE_CHECKING:
    from torch import Tensor


def _is_single_process() -> bool:
    return not (distributed.is_available() and distributed.is_initialized()) or distributed.get_world_size() == 1


def all_reduce_sum(values: Tensor) -> Tensor:
    """Return the elementwise sum over all ranks."""
    return _all_reduce(values, distributed.ReduceOp.SUM)


def all_reduce_max(values: Tensor) -> Tensor:
    """Return the elementwise maximum over all ranks."""
    return _all_reduce(values, distributed.ReduceOp.MAX)


def _all_reduce(values: Tensor, operation: distributed.ReduceOp.RedOpType) -> Tensor:
    if _is_single_process():
        return values
    result = values.clone()
    distributed.all_reduce(result, operation)
    return result


def broadcast_from_first(values: Tensor) -> Tensor:
    """Return the values of the first rank. All ranks pass tensors of one shape."""
    if _is_single_process():
        return values
    result = values.clone()
    distributed.broadcast(result, 0)
    return result


def all_gather_rows(values: Tensor) -> tuple[Tensor, int]:
    """Concatenate the values [n] of all ranks in rank order; n may differ between ranks.

    Returns:
        The concatenated values, and the position at which this rank's values start.
    """
    if _is_single_process():
        return values, 0
    count = torch.tensor([len(values)], device=values.device)
    gathered = [torch.empty_like(count) for _ in range(distributed.get_world_size())]
    distributed.all_gather(gathered, count)
    counts = torch.cat(gathered).tolist()
    padded = torch.cat([values, values.new_zeros(max(counts) - len(values))])
    parts = [torch.empty_like(padded) for _ in counts]
    distributed.all_gather(parts, padded)
    rows = torch.cat([part[:size] for part, size in zip(parts, counts, strict=True)])
    return rows, sum(counts[: distributed.get_rank()])


def select_gathered_rows(values: Tensor, start: int, chosen: Tensor) -> Tensor:
    """Return selected rows of the concatenation over all ranks, without sending the other rows.

    Args:
        values: [n, D], the rows of this rank.
        start: Position of this rank's first row in the concatenation.
        chosen: int64 [k], positions in the concatenation, equal on all ranks.

    Returns:
        [k, D].
    """
    if _is_single_process():
        return values[chosen]
    mine = ((chosen >= start) & (chosen < start + len(values))).nonzero()[:, 0]
    result = values.new_zeros(len(chosen), *values.shape[1:])
    result[mine] = values[chosen[mine] - start]
    distributed.all_reduce(result)
    return result
