"""Paired comparisons: what cancels out, Holm's correction and ranks by hand."""

from __future__ import annotations

import numpy as np
import pytest

from oodbench.metrics import FrameValues
from oodbench.metrics.resampling.significance import PairedSketches, holm_correction, significance_ranks
from tools.interval_coverage import draw, false_alarms, sketch


def means(values: np.ndarray) -> FrameValues:
    return FrameValues(("AP",), values[:, None], np.ones((values.size, 1), np.int64))


def test_what_is_hard_for_both_cancels_out() -> None:
    rng = np.random.default_rng(0)
    hard = rng.random(40)
    paired = PairedSketches([means(hard), means(hard + 0.01 + 0.001 * rng.normal(size=40))], seed=0, resamples=999)
    found = paired.difference(0, 1, "AP")
    own = paired.bounds(0, "AP")
    assert found.bounds is not None
    assert own is not None
    assert own[1] - own[0] > 0.1
    assert found.value == pytest.approx(0.01, abs=0.001)
    assert found.bounds[1] - found.bounds[0] < 0.002
    assert found.p == 2 / 1000


def test_the_same_twice_is_no_difference() -> None:
    paired = PairedSketches([means(np.arange(10.0))] * 2, seed=0, resamples=99)
    found = paired.difference(0, 1, "AP")
    assert (found.value, found.bounds, found.p) == (0.0, (0.0, 0.0), 1.0)


def test_the_other_way_round_is_the_other_sign() -> None:
    paired = PairedSketches([sketch(counts) for counts in draw(np.random.default_rng(0), 20, methods=2)], 0, 199)
    for metric in ("AP", "FPR95", "AUROC"):
        there, back = paired.difference(0, 1, metric), paired.difference(1, 0, metric)
        assert there.bounds is not None
        assert (back.value, back.p) == (-there.value, there.p)
        assert back.bounds == pytest.approx((-there.bounds[1], -there.bounds[0]))


def test_equal_methods_are_rarely_called_different() -> None:
    """One in twenty is meant; docs/measurements/interval-coverage.md measures the difference."""
    assert (false_alarms(40, repeats=60, resamples=199) < 0.3).all()


def test_holm_by_hand() -> None:
    assert holm_correction([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm_correction([0.5, 0.9]) == [1.0, 1.0]
    assert holm_correction([]) == []


def test_ranks_count_those_that_are_better() -> None:
    # 0 beats 2 and 3, 1 beats 3: nothing tells 0 from 1, 1 from 2, 2 from 3.
    assert significance_ranks(4, {(0, 2): True, (0, 3): True, (1, 3): True, (1, 2): False}) == [1, 1, 2, 3]
    assert significance_ranks(3, {}) == [1, 1, 1]
