"""What the ranks of a distributed training have together. Where there is one process, it is what that one has.

Every rank calls each of these at the same point of a step and gets the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import distributed

if TYPE_CHECKING:
    from torch import Tensor


def _alone() -> bool:
    return not (distributed.is_available() and distributed.is_initialized()) or distributed.get_world_size() == 1


def summed(values: Tensor) -> Tensor:
    """The sum over the ranks, of one shape on all of them."""
    return _reduced(values, distributed.ReduceOp.SUM)


def largest(values: Tensor) -> Tensor:
    """The largest over the ranks, value by value."""
    return _reduced(values, distributed.ReduceOp.MAX)


def _reduced(values: Tensor, operation: distributed.ReduceOp.RedOpType) -> Tensor:
    if _alone():
        return values
    result = values.clone()
    distributed.all_reduce(result, operation)
    return result


def of_the_first(values: Tensor) -> Tensor:
    """What the first rank has; all have one shape."""
    if _alone():
        return values
    result = values.clone()
    distributed.broadcast(result, 0)
    return result


def joined(values: Tensor) -> tuple[Tensor, int]:
    """The values [n] of all ranks, one rank after the other, and where this one's begin; n may differ."""
    if _alone():
        return values, 0
    count = torch.tensor([len(values)], device=values.device)
    gathered = [torch.empty_like(count) for _ in range(distributed.get_world_size())]
    distributed.all_gather(gathered, count)
    counts = torch.cat(gathered).tolist()
    padded = torch.cat([values, values.new_zeros(max(counts) - len(values))])
    parts = [torch.empty_like(padded) for _ in counts]
    distributed.all_gather(parts, padded)
    everyone = torch.cat([part[:size] for part, size in zip(parts, counts, strict=True)])
    return everyone, sum(counts[: distributed.get_rank()])


def rows(values: Tensor, start: int, chosen: Tensor) -> Tensor:
    """Of the joined rows those that were chosen; no others travel.

    Args:
        values: [n, D], this rank's.
        start: where they begin among the joined ones.
        chosen: int64 [k], positions among the joined ones, the same on all ranks.

    Returns:
        [k, D].
    """
    if _alone():
        return values[chosen]
    mine = ((chosen >= start) & (chosen < start + len(values))).nonzero()[:, 0]
    result = values.new_zeros(len(chosen), *values.shape[1:])
    result[mine] = values[chosen[mine] - start]
    distributed.all_reduce(result)
    return result
