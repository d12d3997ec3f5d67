"""How far the metrics of a set of frames may be from those of the scenes that the frames were drawn from.

Frames are resampled, or groups of frames where frames of one scene are not independent of each other; the pixels of one
frame never are. Everything is computed from sketches (oodbench.metrics.resampling.sketches).

The BCa interval is scipy's. Its `bootstrap` can take the resamples that were drawn here, and has to: by itself it draws
for one statistic at a time, where all methods of a run share theirs, and a single resample that is undefined makes its
answer NaN.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from oodbench.metrics.resampling.sketches import Sketch

IntervalMethod: TypeAlias = Literal["percentile", "bca"]

RESAMPLES = 2000
LEVEL = 0.95
METHOD: IntervalMethod = "percentile"
"""Of the two the one that held the truth more often where there are few frames (tools/interval_coverage.py)."""

FEWEST = 5
"""Units. With fewer, resamples are all alike."""

# A metric that more resamples than this leave undefined hangs on too few of the units.
_LEFT_OUT = 0.05


@dataclass(frozen=True)
class MetricIntervals:
    """Intervals of one sketch's metrics.

    Attributes:
        bounds: metric -> (low, high), as fractions; only those that are defined.
        undefined: metric -> why it has none.
    """

    bounds: Mapping[str, tuple[float, float]]
    undefined: Mapping[str, str]


Statistic: TypeAlias = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Weights [B, n] -> values [..., B]."""


def bootstrap_metrics(statistic: Statistic, units: int, resamples: int, seed: int) -> NDArray[np.float64]:
    """A statistic of `resamples` samples of the units, drawn with replacement: float64 [..., resamples].

    The same seed gives the same samples, whatever the statistic: so several can be compared resample by resample.
    """
    # How often each unit is in each sample: the same as drawing it, and all that a sketch has to know.
    weights = np.random.default_rng(seed).multinomial(units, np.full(units, 1 / units), size=resamples)
    return statistic(weights.astype(np.float64))


def bootstrap_interval(
    statistic: Statistic, drawn: NDArray[np.float64], units: int, method: IntervalMethod, level: float = LEVEL
) -> tuple[float, float] | str:
    """The interval of one number, or why there is none.

    Args:
        statistic: weights [B, n] -> values [B].
        drawn: [resamples], its values from `resampled`; NaN where undefined.
        units: n.
        method: `percentile`: the quantiles of the resamples; `bca`: corrected for their bias and for a spread that
            grows with the value (Efron 1987).
        level: how often such intervals shall hold the truth.
    """
    defined = drawn[~np.isnan(drawn)]
    left_out = drawn.size - defined.size
    if left_out > _LEFT_OUT * drawn.size:
        return f"undefined in {left_out} of {drawn.size} resamples: it hangs on too few of the frames"
    if np.ptp(defined) == 0:
        return float(defined[0]), float(defined[0])
    if method == "percentile":
        low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)
    jackknife = statistic(1 - np.eye(units))
    if np.isnan(jackknife).any():
        return "undefined without one of the frames: it hangs on too few of them"
    if np.ptp(jackknife) == 0:
        return "no single frame moves it: its spread can't be estimated"
    return _bca_bounds(statistic, defined, units, level)


def _bca_bounds(
    statistic: Statistic, drawn: NDArray[np.float64], units: int, level: float
) -> tuple[float, float] | str:
    """scipy's, on resamples that are given."""
    from scipy.stats import DegenerateDataWarning, bootstrap

    def on_indices(indices: NDArray[np.int64], axis: int) -> NDArray[np.float64]:
        rows = indices.reshape(-1, indices.shape[-1])
        weights = np.zeros((len(rows), units))
        np.add.at(weights, (np.arange(len(rows))[:, None], rows), 1)
        return statistic(weights).reshape(indices.shape[:-1])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateDataWarning)  # it is answered below
        done = bootstrap(
            (np.arange(units),),
            on_indices,
            vectorized=True,
            n_resamples=0,
            bootstrap_result=SimpleNamespace(bootstrap_distribution=drawn),
            method="BCa",
            confidence_level=level,
        )
    low, high = done.confidence_interval
    if np.isnan(low) or np.isnan(high):
        return "all resamples lie on one side of it"
    return float(low), float(high)


def bootstrap_intervals(
    sketch: Sketch,
    seed: int,
    method: IntervalMethod = METHOD,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
) -> MetricIntervals:
    """The intervals of a sketch's metrics.

    Args:
        sketch: of frames, or of groups (`Sketch.group`).
        seed: of the resampling.
        method, level: see `interval`.
        resamples: how many.
    """
    if sketch.units < FEWEST:
        reason = f"{sketch.units} independent units are too few to resample; {FEWEST} are the least"
        return MetricIntervals({}, dict.fromkeys(sketch.names, reason))
    drawn = bootstrap_metrics(sketch.metrics, sketch.units, resamples, seed)  # [M, resamples]
    bounds: dict[str, tuple[float, float]] = {}
    undefined: dict[str, str] = {}
    for index, name in enumerate(sketch.names):

        def resample(weights: NDArray[np.float64], index: int = index) -> NDArray[np.float64]:
            values: NDArray[np.float64] = sketch.metrics(weights)[index]
            return values

        interval = bootstrap_interval(resample, drawn[index], sketch.units, method, level)
        if isinstance(interval, str):
            undefined[name] = interval
        else:
            bounds[name] = interval
    return MetricIntervals(bounds, undefined)
