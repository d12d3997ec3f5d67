"""First-in-first-out buffers of points with running sums, so that estimates do not read all points again."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from oodbench.mixture.index_counts import count_indices


class Memory(nn.Module):
    """G ring buffers of points in D dimensions; each point counts for each of P components by its share.

    The sums are kept in double precision and refer to the points as they are stored. A point that leaves a ring
    therefore subtracts exactly what it added, in half precision too.

    Args:
        rings: Number G of rings.
        size: Capacity of a ring in points.
        dimensions: Number D of dimensions.
        parts: Number P of components that share a ring; 1 if each component has its own ring.
        half: Whether points are stored in half precision.
    """

    points: Tensor  # [G, size, D]
    shares: Tensor  # [G, size, P], 0 in empty slots
    pointer: Tensor  # [G], the next slot to write
    written: Tensor  # [G], number of slots that were written
    mass: Tensor  # [G, P]
    first: Tensor  # [G, P, D], the sum of share * x
    second: Tensor  # [G, P, D], the sum of share * x^2

    def __init__(self, rings: int, size: int, dimensions: int, parts: int = 1, *, half: bool = False) -> None:
        super().__init__()
        dtype = torch.float16 if half else torch.float32
        self.register_buffer("points", torch.zeros(rings, size, dimensions, dtype=dtype))
        self.register_buffer("shares", torch.zeros(rings, size, parts))
        self.register_buffer("pointer", torch.zeros(rings, dtype=torch.int64))
        self.register_buffer("written", torch.zeros(rings, dtype=torch.int64))
        self.register_buffer("mass", torch.zeros(rings, parts, dtype=torch.float64))
        self.register_buffer("first", torch.zeros(rings, parts, dimensions, dtype=torch.float64))
        self.register_buffer("second", torch.zeros(rings, parts, dimensions, dtype=torch.float64))

    @torch.no_grad()
    def fill(self, points: Iterable[Tensor]) -> None:
        """Fill all rings: one tensor of points [size, D] per ring, each point with the share 1."""
        for ring, its_points in zip(self.points, points, strict=True):
            ring.copy_(its_points)
        self.shares.fill_(1.0)
        self.recount()

    @torch.no_grad()
    def recount(self) -> None:
        """Recompute the sums from the stored points, because running sums drift slightly."""
        for ring, (points, shares) in enumerate(zip(self.points, self.shares, strict=True)):
            x, weight = points.double(), shares.double().T  # [size, D], [P, size]
            self.mass[ring] = weight.sum(dim=1)
            self.first[ring] = weight @ x
            self.second[ring] = weight @ x.square()

    @torch.no_grad()
    def put(self, rings: Tensor, order: Tensor, points: Tensor, shares: Tensor) -> None:
        """Write points into their rings.

        Args:
            rings: int64 [n], the ring of each point.
            order: int64 [n], 0, 1, ... within each ring: the offset of its slot from the pointer.
            points: [n, D].
            shares: [n, P].
        """
        slots = (self.pointer[rings] + order) % self.points.shape[1]
        self._count(rings, self.points[rings, slots], self.shares[rings, slots], -1.0)
        self.points[rings, slots] = points.to(self.points.dtype)
        self.shares[rings, slots] = shares.to(self.shares.dtype)
        self._count(rings, self.points[rings, slots], self.shares[rings, slots], 1.0)
        count, size = count_indices(rings, len(self.pointer)), self.points.shape[1]
        self.pointer.copy_((self.pointer + count) % size)
        self.written.copy_((self.written + count).clamp(max=size))

    def _count(self, rings: Tensor, points: Tensor, shares: Tensor, sign: float) -> None:
        x, weight = points.double(), sign * shares.double()  # [n, D], [n, P]
        self.mass.index_add_(0, rings, weight)
        self.first.index_add_(0, rings, weight[:, :, None] * x[:, None, :])
        self.second.index_add_(0, rings, weight[:, :, None] * x.square()[:, None, :])

    def fullness(self) -> Tensor:
        """Return the share of slots per ring that hold a point written by `put`, float [G]."""
        return self.written / self.points.shape[1]
