"""Label lookup by runs of values, compared with plain indexing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oodbench.data.value_runs import apply_lookup_table


def test_runs_equal_a_case_computed_by_hand() -> None:
    table = np.full(256, 254, np.uint8)
    table[[0, 1, 255]] = 7, 0, 255
    values = np.array([[0] * 12, [0] * 5 + [255] + [1] * 6], np.uint8)
    assert not apply_lookup_table(values, table, 254)
    assert values.tolist() == [[7] * 12, [7] * 5 + [255] + [0] * 6]


@pytest.mark.parametrize("at", [0, 7, 8, 15, 16, 18])
def test_an_undeclared_value_is_found_at_every_position(at: int) -> None:
    values = np.zeros(19, np.uint8)
    values[at] = 9
    table = np.zeros(256, np.uint8)
    table[9] = 254
    assert apply_lookup_table(values, table, 254)
    assert np.flatnonzero(values == 254).tolist() == [at]


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(1, 20)), max_size=12), st.integers(0, 2**32))
def test_the_result_equals_plain_indexing(runs: list[tuple[int, int]], seed: int) -> None:
    values = np.array([value for value, length in runs for _ in range(length)], np.uint8)
    table = np.random.default_rng(seed).permutation(256).astype(np.uint8)
    expected = table[values]
    found = apply_lookup_table(values, table, 254)
    assert values.tolist() == expected.tolist()
    assert found == (254 in expected)
