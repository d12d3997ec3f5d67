"""Intervals: comparison with scipy on a mean, undefined intervals, and coverage."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy.stats import bootstrap

from oodbench.metrics import FrameValues, bootstrap_intervals
from oodbench.metrics.resampling.intervals import IntervalMethod, bootstrap_interval, bootstrap_metrics
from tools.interval_coverage import measure_coverage


def means(values: list[float]) -> FrameValues:
    """Return a sketch whose metric is the mean of one number per frame; NaN for a frame without one."""
    numbers = np.array(values)[:, None]
    return FrameValues(("AP",), np.nan_to_num(numbers), (~np.isnan(numbers)).astype(np.int64))


SKEWED = [0.02, 0.03, 0.05, 0.05, 0.08, 0.1, 0.11, 0.15, 0.3, 0.9]


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_intervals_of_a_mean_equal_scipy(method: IntervalMethod) -> None:
    theirs = bootstrap((np.array(SKEWED),), np.mean, n_resamples=20_000, method=method, rng=1).confidence_interval
    ours = bootstrap_intervals(means(SKEWED), seed=0, method=method, resamples=20_000).bounds["AP"]
    # The upper end of a skewed mean of ten numbers varies by 0.02 between samples of 20 000.
    assert np.allclose(ours, theirs, atol=0.03)


def test_the_two_methods_differ_on_a_skewed_mean() -> None:
    percentile, bca = (bootstrap_intervals(means(SKEWED), 0, method).bounds["AP"] for method in ("percentile", "bca"))
    assert bca[1] > percentile[1] + 0.02


def test_intervals_depend_on_the_seed() -> None:
    one, again, other = (bootstrap_intervals(means(SKEWED), seed).bounds for seed in (0, 0, 1))
    assert one == again
    assert one != other


def test_one_seed_gives_the_same_samples_to_all_statistics() -> None:
    first, second = (bootstrap_metrics(lambda w, k=k: w[:, k], 7, 50, seed=4) for k in (0, 1))  # type: ignore[misc]
    both = bootstrap_metrics(lambda w: w[:, :2].T, 7, 50, seed=4)
    assert (both == np.stack([first, second])).all()


def test_intervals_of_equal_frames_have_no_width() -> None:
    assert bootstrap_intervals(means([0.25] * 8), 0).bounds == {"AP": (0.25, 0.25)}


@pytest.mark.parametrize(
    ("values", "method", "reason"),
    [
        ([0.1, 0.2, 0.3, 0.4], "percentile", "4 independent units are too few to resample; at least 5 are needed"),
        ([0.1] + [np.nan] * 9, "percentile", r"undefined in \d+ of 2000 resamples"),
        ([0.1, 0.1] + [np.nan] * 4, "percentile", r"undefined in \d+ of 2000 resamples"),
    ],
)
def test_undefined_intervals_have_a_reason(values: list[float], method: IntervalMethod, reason: str) -> None:
    found = bootstrap_intervals(means(values), 0, method)
    assert found.bounds == {}
    (said,) = found.undefined.values()
    assert re.match(reason, said)


def test_bca_is_undefined_if_no_single_frame_changes_the_metric() -> None:
    def median(weights: np.ndarray) -> np.ndarray:
        return np.array([np.median(np.repeat([0.0, 0.5, 0.5, 0.5, 0.5, 1.0], row)) for row in weights.astype(int)])

    said = bootstrap_interval(median, bootstrap_metrics(median, 6, 200, 0), 6, "bca")
    assert said == "no single frame changes it: its spread can't be estimated"


def test_bca_is_undefined_if_one_frame_has_all_anomalies() -> None:
    sketch = means([0.5, *[np.nan] * 5])
    said = bootstrap_interval(lambda w: sketch.metrics(w)[0], np.linspace(0, 1, 100), 6, "bca")
    assert said == "undefined without one of the frames: it depends on too few of them"


def test_coverage_is_close_to_the_level() -> None:
    held, _ = measure_coverage(80, repeats=80, resamples=300, method="percentile")
    assert (held > 0.75).all()
    assert held.max() < 1 or held.mean() > 0.9


def test_frames_of_one_scene_are_not_independent() -> None:
    alone, _ = measure_coverage(100, repeats=40, resamples=200, method="percentile", scene=5, grouped=False)
    together, _ = measure_coverage(100, repeats=40, resamples=200, method="percentile", scene=5)
    assert (together > alone + 0.15).all()
