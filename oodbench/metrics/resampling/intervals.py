"""Bootstrap intervals of metrics: the variation that other frames from the same distribution would cause.

The resampled units are frames, or groups of frames if the frames of one scene are not independent. They are never
pixels, because the pixels of one frame are not independent. All values are computed from sketches
(`oodbench.metrics.resampling.sketches`).

The BCa interval is scipy's. Its `bootstrap` receives the resamples that were sampled here, for two reasons. On its own
it samples for one statistic at a time, but all methods of a run share their resamples. And it returns NaN if a single
resample is undefined.
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
"""Of the two methods, the one with the better coverage for few frames (tools/interval_coverage.py)."""

FEWEST = 5
"""The smallest number of units. With fewer units all resamples are alike."""

# If more than this fraction of resamples is undefined, the metric depends on too few units and gets no interval.
_LEFT_OUT = 0.05


@dataclass(frozen=True)
class MetricIntervals:
    """The confidence intervals of metrics, as `bootstrap_intervals` returns them.

    Attributes:
        bounds: Maps each metric with an interval to (low, high), as fractions.
        undefined: Maps each metric without an interval to the reason.

    Examples:
        >>> import numpy as np
        >>> from oodbench.metrics import FrameValues, bootstrap_intervals
        >>> sketch = FrameValues(("AP",), np.array([[0.5], [0.6]]), np.ones((2, 1), np.int64))
        >>> bootstrap_intervals(sketch, seed=0).undefined["AP"]
        '2 independent units are too few to resample; at least 5 are needed'
    """

    bounds: Mapping[str, tuple[float, float]]
    undefined: Mapping[str, str]


Statistic: TypeAlias = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""A function from weights [B, n] to values [..., B]."""


def bootstrap_metrics(statistic: Statistic, units: int, resamples: int, seed: int) -> NDArray[np.float64]:
    """Compute a statistic of `resamples` bootstrap samples of the units.

    The same seed gives the same samples for any statistic, so that several statistics can be compared resample by
    resample.

    Args:
        statistic: Function from weights [B, n] to values [..., B].
        units: n, the number of units.
        resamples: Number of bootstrap samples.
        seed: Seed of the sampling.

    Returns:
        float64 [..., resamples].
    """
    # The number of times each unit is in each sample is equivalent to the sample, and is all that a sketch needs.
    weights = np.random.default_rng(seed).multinomial(units, np.full(units, 1 / units), size=resamples)
    return statistic(weights.astype(np.float64))


def bootstrap_interval(
    statistic: Statistic, distribution: NDArray[np.float64], units: int, method: IntervalMethod, level: float = LEVEL
) -> tuple[float, float] | str:
    """Return the interval of one number, or the reason why there is none.

    Args:
        statistic: Function from weights [B, n] to values [B].
        distribution: float64 [resamples], its values from `bootstrap_metrics`; NaN if undefined.
        units: n, the number of units.
        method: `percentile`: the quantiles of the resamples; `bca`: corrected for their bias and for a spread that
            grows with the value (Efron 1987).
        level: Nominal coverage of the interval.
    """
    defined = distribution[~np.isnan(distribution)]
    left_out = distribution.size - defined.size
    if left_out > _LEFT_OUT * distribution.size:
        return f"undefined in {left_out} of {distribution.size} resamples: it depends on too few of the frames"
    if np.ptp(defined) == 0:
        return float(defined[0]), float(defined[0])
    if method == "percentile":
        low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)
    jackknife = statistic(1 - np.eye(units))
    if np.isnan(jackknife).any():
        return "undefined without one of the frames: it depends on too few of them"
    if np.ptp(jackknife) == 0:
        return "no single frame changes it: its spread can't be estimated"
    return _bca_bounds(statistic, defined, units, level)


def _bca_bounds(
    statistic: Statistic, distribution: NDArray[np.float64], units: int, level: float
) -> tuple[float, float] | str:
    """Return the BCa interval of scipy for resamples that are already computed."""
    from scipy.stats import DegenerateDataWarning, bootstrap

    def on_indices(indices: NDArray[np.int64], axis: int) -> NDArray[np.float64]:
        rows = indices.reshape(-1, indices.shape[-1])
        weights = np.zeros((len(rows), units))
        np.add.at(weights, (np.arange(len(rows))[:, None], rows), 1)
        return statistic(weights).reshape(indices.shape[:-1])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateDataWarning)  # handled below
        result = bootstrap(
            (np.arange(units),),
            on_indices,
            vectorized=True,
            n_resamples=0,
            bootstrap_result=SimpleNamespace(bootstrap_distribution=distribution),
            method="BCa",
            confidence_level=level,
        )
    low, high = result.confidence_interval
    if np.isnan(low) or np.isnan(high):
        return "all resamples are on one side of it"
    return float(low), float(high)


def bootstrap_intervals(
    sketch: Sketch,
    seed: int,
    method: IntervalMethod = METHOD,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
) -> MetricIntervals:
    """Compute bootstrap confidence intervals of metrics, which show how much the metrics vary with the frames.

    Args:
        sketch: Counts per frame, such as `Run.sketch` returns. If the frames of one scene are not independent, pass the
            output of `Sketch.group`, so that whole scenes are resampled.
        seed: Seed of the resampling.
        method: `percentile`: the interval consists of quantiles of the resampled metric. `bca`: the quantiles are
            corrected for bias, and for a spread that grows with the value (Efron 1987).
        level: Nominal coverage of the intervals, in (0, 1).
        resamples: Number of resamples.

    Returns:
        The interval of each metric, or the reason why it has none.

    Examples:
        >>> import numpy as np
        >>> from oodbench.metrics import FrameValues, bootstrap_intervals
        >>> values = np.linspace(0.4, 0.6, 20)[:, None]  # the AP of 20 frames
        >>> sketch = FrameValues(("AP",), values, np.ones((20, 1), np.int64))
        >>> low, high = bootstrap_intervals(sketch, seed=0).bounds["AP"]
        >>> 0.4 < low < 0.5 < high < 0.6
        True
    """
    if sketch.units < FEWEST:
        reason = f"{sketch.units} independent units are too few to resample; at least {FEWEST} are needed"
        return MetricIntervals({}, dict.fromkeys(sketch.names, reason))
    distributions = bootstrap_metrics(sketch.metrics, sketch.units, resamples, seed)  # [M, resamples]
    bounds: dict[str, tuple[float, float]] = {}
    undefined: dict[str, str] = {}
    for index, name in enumerate(sketch.names):

        def resample(weights: NDArray[np.float64], index: int = index) -> NDArray[np.float64]:
            values: NDArray[np.float64] = sketch.metrics(weights)[index]
            return values

        interval = bootstrap_interval(resample, distributions[index], sketch.units, method, level)
        if isinstance(interval, str):
            undefined[name] = interval
        else:
            bounds[name] = interval
    return MetricIntervals(bounds, undefined)
