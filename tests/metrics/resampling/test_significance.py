"""Paired comparisons: common effects, Holm's correction, and ranks computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from oodbench.metrics import FrameValues, bootstrap_intervals
from oodbench.metrics.resampling.significance import PairedSketches, holm_correction, significance_ranks
from tools.interval_coverage import make_sketch, measure_false_alarms, sample_counts


def means(values: np.ndarray) -> FrameValues:
    return FrameValues(("AP",), values[:, None], np.ones((values.size, 1), np.int64))


def test_effects_common_to_both_methods_cancel_out() -> None:
    rng = np.random.default_rng(0)
    hard = rng.random(40)
    paired = PairedSketches([means(hard), means(hard + 0.01 + 0.001 * rng.normal(size=40))], seed=0, resamples=999)
    found = paired.difference(0, 1, "AP")
    own = bootstrap_intervals(means(hard), seed=0).bounds["AP"]
    assert found.bounds is not None
    assert own[1] - own[0] > 0.1
    assert found.value == pytest.approx(0.01, abs=0.001)
    assert found.bounds[1] - found.bounds[0] < 0.002
    assert found.p == 2 / 1000


def test_equal_methods_have_no_difference() -> None:
    paired = PairedSketches([means(np.arange(10.0))] * 2, seed=0, resamples=99)
    found = paired.difference(0, 1, "AP")
    assert (found.value, found.bounds, found.p) == (0.0, (0.0, 0.0), 1.0)


def test_swapping_the_methods_changes_the_sign() -> None:
    paired = PairedSketches(
        [make_sketch(counts) for counts in sample_counts(np.random.default_rng(0), 20, methods=2)], 0, 199
    )
    for metric in ("AP", "FPR95", "AUROC"):
        there, back = paired.difference(0, 1, metric), paired.difference(1, 0, metric)
        assert there.bounds is not None
        assert (back.value, back.p) == (-there.value, there.p)
        assert back.bounds == pytest.approx((-there.bounds[1], -there.bounds[0]))


def test_equal_methods_are_rarely_significant() -> None:
    """One in twenty is meant; docs/measurements/interval-coverage.md measures the difference."""
    assert (measure_false_alarms(40, repeats=60, resamples=199) < 0.3).all()


def test_holm_correction_equals_a_case_computed_by_hand() -> None:
    assert holm_correction([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm_correction([0.5, 0.9]) == [1.0, 1.0]
    assert holm_correction([]) == []


def test_ranks_count_the_significantly_better_methods() -> None:
    # 0 beats 2 and 3, and 1 beats 3. The pairs 0 and 1, 1 and 2, 2 and 3 are not significant.
    assert significance_ranks(4, {(0, 2): True, (0, 3): True, (1, 3): True, (1, 2): False}) == [1, 1, 2, 3]
    assert significance_ranks(3, {}) == [1, 1, 1]
