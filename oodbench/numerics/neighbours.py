"""Exact nearest neighbours, found without computing the distance to every point.

The points are divided into cells. Because of the triangle inequality, no point of a cell with centre c and radius r is
nearer to a query q than |q - c| - r. Queries are processed in blocks of neighbouring pixels, which are often alike. A
block visits the nearest cells first, and skips a cell in which no query of the block can have a nearer neighbour than
those it has already.

The squared distance is computed as |b|^2 - 2 b q + |q|^2. The bound is lowered by the largest rounding error of this
sum, so that a skipped point never has a smaller computed distance. The result therefore depends neither on the cells
nor on the other queries of the block.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from oodbench.compiled import compiled
from oodbench.threads import share_torch_threads

# Queries per block. In a loop over fewer, each step waits for the sums that the previous one stored.
_BLOCK = 128
# Dimensions per step of the product. The points are padded with zeros to a multiple.
_STEP = 4
# A dimension adds at most one rounding error; the other operations add fewer than this.
_OTHER_ROUNDINGS = 16
# The largest relative rounding error of a float32 operation.
_UNIT = 2.0**-24


class NeighbourIndex:
    """Points among which the nearest neighbours of queries are searched.

    Args:
        points: float32 [B, D], finite.

    Examples:
        >>> import numpy as np
        >>> from oodbench.numerics import NeighbourIndex
        >>> index = NeighbourIndex(np.float32([[0, 0], [3, 4], [6, 8]]))
        >>> index.squared_distances(np.float32([[0], [1]]), k=2).tolist()
        [[1.0], [18.0]]
    """

    def __init__(self, points: NDArray[np.float32]) -> None:
        points = np.ascontiguousarray(points)
        centres, cell = _divide(points)
        order = np.argsort(cell, kind="stable")
        sizes = np.bincount(cell, minlength=len(centres))
        starts = np.concatenate([[0], np.cumsum(sizes)])
        distance = np.linalg.norm(points.astype(np.float64) - centres[cell], axis=1)
        radii = np.zeros(len(centres))
        np.maximum.at(radii, cell, distance)
        self._cells = _make_rows(centres)
        self._radii = np.nextafter(radii.astype(np.float32), np.float32(np.inf))
        self._rows = _make_rows(points[order])
        self._starts = starts
        self._largest = np.float32(np.sqrt(np.square(points.astype(np.float64)).sum(axis=1).max()))

    def squared_distances(self, queries: NDArray[np.float32], k: int) -> NDArray[np.float32]:
        """Return the squared Euclidean distances from each query to its k nearest points.

        Args:
            queries: float32 [D, N], one query per column.
            k: Number of neighbours, at most B.

        Returns:
            float32 [k, N], ascending; NaN or infinite for a query that is not finite.
        """
        nearest = np.empty((k, queries.shape[1]), np.float32)
        with share_torch_threads():
            _search(
                np.ascontiguousarray(queries),
                *self._rows,
                self._starts,
                *self._cells,
                self._radii,
                self._largest,
                nearest,
            )
        return nearest


def _divide(points: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Divide the points into cells around some of them, chosen far from each other.

    About as many cells as the square root of the number of points balance the cost of the centres and of the points.

    Returns:
        The centres [J, D], and the cell of each point [B].
    """
    count = 2 * int(1 + 0.75 * np.sqrt(len(points)))  # even, as pairs of centres are compared with a block
    chosen = np.zeros(count, np.intp)
    cell = np.zeros(len(points), np.intp)
    nearest = np.full(len(points), np.inf)
    for index in range(count):
        chosen[index] = np.argmax(nearest) if index else 0
        distance = np.square(points.astype(np.float64) - points[chosen[index]]).sum(axis=1)
        cell[distance < nearest] = index
        nearest = np.minimum(nearest, distance)
    return points[chosen], cell


def _make_rows(points: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return 2 x each point, padded to [B, P], and the squared norms [B]."""
    padding = -points.shape[1] % _STEP
    norms = np.square(points.astype(np.float64)).sum(axis=1).astype(np.float32)
    return np.pad(2 * points, ((0, 0), (0, padding))), norms


# Products and sums may be fused, but not reordered: the same distance has the same bits in every block.
@numba.njit(fastmath={"contract"})
def _subtract_products(first: Any, second: Any, queries: Any, of_first: Any, of_second: Any) -> None:
    """Subtract the products of two rows [P] with the queries [P, block] from two sums [block]."""
    for d in range(0, first.shape[0], _STEP):
        a0, a1, a2, a3 = first[d], first[d + 1], first[d + 2], first[d + 3]
        b0, b1, b2, b3 = second[d], second[d + 1], second[d + 2], second[d + 3]
        for i in range(_BLOCK):
            x0, x1, x2, x3 = queries[d, i], queries[d + 1, i], queries[d + 2, i], queries[d + 3, i]
            of_first[i] -= (a0 * x0 + a1 * x1) + (a2 * x2 + a3 * x3)
            of_second[i] -= (b0 * x0 + b1 * x1) + (b2 * x2 + b3 * x3)


@numba.njit
def _count_below(values: Any, limits: Any) -> Any:
    count = 0
    for i in range(_BLOCK):
        count += values[i] < limits[i]
    return count


@numba.njit
def _insert(distance: Any, best: Any) -> None:
    """Insert one distance per query [block] into the smallest distances so far, [k, block] ascending."""
    if _count_below(distance, best[-1]) == 0:
        return
    for rank in range(len(best)):
        for i in range(_BLOCK):
            smaller, larger = min(distance[i], best[rank, i]), max(distance[i], best[rank, i])
            best[rank, i] = smaller
            distance[i] = larger


@numba.njit
def _bound_cells(queries: Any, square: Any, centres: Any, norms: Any, radii: Any, rounding: Any, bound: Any) -> None:
    """Compute a lower bound of the squared distances from each query to the points of each cell, less |q|^2.

    Args:
        queries: float32 [P, block].
        square: float32 [block], |q|^2.
        centres: float32 [J, P].
        norms: float32 [J], squared norms of the centres.
        radii: float32 [J].
        rounding: float32 [block], largest rounding error of a squared distance.
        bound: float32 [J, block], the result.
    """
    zero = np.float32(0)
    for cell in range(0, len(centres), 2):
        for i in range(_BLOCK):
            bound[cell, i] = norms[cell]
            bound[cell + 1, i] = norms[cell + 1]
        _subtract_products(centres[cell], centres[cell + 1], queries, bound[cell], bound[cell + 1])
    for cell in range(len(centres)):
        for i in range(_BLOCK):
            gap = max(np.sqrt(max(bound[cell, i] + square[i] - rounding[i], zero)) - radii[cell], zero)
            bound[cell, i] = gap * gap - rounding[i] - square[i]


@numba.njit
def _search_block(queries: Any, rows: Any, norms: Any, starts: Any, bound: Any, best: Any) -> None:
    """Replace `best` by the smallest distances of each query, less |q|^2."""
    first, second = np.empty(_BLOCK, np.float32), np.empty(_BLOCK, np.float32)
    lowest = np.full(len(bound), np.float32(np.inf))
    for cell in range(len(bound)):
        for i in range(_BLOCK):
            lowest[cell] = min(lowest[cell], bound[cell, i])
    for _ in range(len(bound)):
        cell = int(np.argmin(lowest))
        lowest[cell] = np.inf
        if _count_below(bound[cell], best[-1]) == 0:
            continue
        for point in range(starts[cell], starts[cell + 1], 2):
            other = min(point + 1, starts[cell + 1] - 1)
            for i in range(_BLOCK):
                first[i] = norms[point]
                second[i] = norms[other]
            _subtract_products(rows[point], rows[other], queries, first, second)
            _insert(first, best)
            if other > point:
                _insert(second, best)


@compiled(parallel=True)
def _search(
    queries: NDArray[np.float32],
    rows: NDArray[np.float32],
    norms: NDArray[np.float32],
    starts: NDArray[np.intp],
    centres: NDArray[np.float32],
    centre_norms: NDArray[np.float32],
    radii: NDArray[np.float32],
    largest: np.float32,
    nearest: NDArray[np.float32],
) -> None:
    dimensions, count = queries.shape
    unit = np.float32((dimensions + _OTHER_ROUNDINGS) * _UNIT)
    for number in numba.prange((count + _BLOCK - 1) // _BLOCK):
        start = number * _BLOCK
        block = np.zeros((rows.shape[1], _BLOCK), np.float32)
        square = np.zeros(_BLOCK, np.float32)
        rounding = np.empty(_BLOCK, np.float32)
        for d in range(dimensions):
            for i in range(_BLOCK):
                block[d, i] = queries[d, min(start + i, count - 1)]  # the last block repeats the last query
                square[i] += block[d, i] * block[d, i]
        for i in range(_BLOCK):
            reach = np.sqrt(square[i]) + largest
            rounding[i] = unit * reach * reach
        bound = np.empty((len(centres), _BLOCK), np.float32)
        best = np.full((len(nearest), _BLOCK), np.float32(np.inf))
        _bound_cells(block, square, centres, centre_norms, radii, rounding, bound)
        _search_block(block, rows, norms, starts, bound, best)
        for rank in range(len(nearest)):
            for i in range(min(_BLOCK, count - start)):
                distance = best[rank, i] + square[i]
                nearest[rank, start + i] = np.float32(0) if distance < 0 else distance  # a NaN remains
