"""Nearest neighbours compared with a brute-force search, for any cells, blocks, threads and values."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from oodbench.numerics import NeighbourIndex


def search_in_double(points: NDArray[np.float32], queries: NDArray[np.float32], k: int) -> NDArray[np.float64]:
    distance = torch.cdist(torch.from_numpy(queries.T).double(), torch.from_numpy(points).double())
    return np.asarray(distance.topk(k, largest=False).values.square().T.numpy())


@pytest.mark.parametrize("dimensions", [1, 3, 16, 70])
@pytest.mark.parametrize(("count", "k"), [(1, 1), (2, 2), (7, 3), (500, 1), (500, 9)])
def test_distances_equal_a_brute_force_search(dimensions: int, count: int, k: int) -> None:
    rng = np.random.default_rng(count)
    # Clusters, so that most cells are skipped, and queries both inside and far from them.
    centres = 5 * rng.normal(size=(4, dimensions))
    points = (centres[rng.integers(4, size=count)] + rng.normal(size=(count, dimensions))).astype(np.float32)
    queries = (centres[rng.integers(4, size=301)] + 2 * rng.normal(size=(301, dimensions))).astype(np.float32).T
    found = NeighbourIndex(points).squared_distances(queries, k)
    assert found.dtype == np.float32
    largest = np.square(queries).sum(axis=0).max() + np.square(points).sum(axis=1).max()
    assert np.abs(found - search_in_double(points, queries, k)).max() <= 1e-6 * largest


def test_the_distance_to_a_point_itself_is_zero_up_to_rounding() -> None:
    points = np.random.default_rng(0).random((300, 16), np.float32)
    found = NeighbourIndex(points).squared_distances(np.ascontiguousarray(points.T), 1)
    assert (found >= 0).all()
    assert found.max() < 1e-5


def test_a_query_has_the_same_distances_alone_and_among_others() -> None:
    rng = np.random.default_rng(1)
    points, queries = rng.random((400, 12), np.float32), rng.random((12, 1000), np.float32)
    index = NeighbourIndex(points)
    together = index.squared_distances(queries, 3)
    order = rng.permutation(1000)
    assert np.array_equal(index.squared_distances(np.ascontiguousarray(queries[:, order]), 3), together[:, order])
    assert np.array_equal(index.squared_distances(np.ascontiguousarray(queries[:, 437:438]), 3), together[:, 437:438])


def test_equal_points_are_accepted() -> None:
    points = np.ones((40, 2), np.float32)
    assert (
        NeighbourIndex(points).squared_distances(np.array([[1, 2], [1, 1]], np.float32), 40).tolist() == [[0, 1]] * 40
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_query_that_is_not_finite_has_no_finite_distance_and_changes_no_other(value: float) -> None:
    rng = np.random.default_rng(2)
    index, queries = NeighbourIndex(rng.random((100, 5), np.float32)), rng.random((5, 50), np.float32)
    expected = index.squared_distances(queries, 2)
    queries[3, 20] = value
    found = index.squared_distances(queries, 2)
    assert not np.isfinite(found[:, 20]).any()
    others = np.arange(50) != 20
    assert np.array_equal(found[:, others], expected[:, others])
