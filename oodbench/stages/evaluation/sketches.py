"""Intervals of a result, computed from its sketch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from oodbench.contracts import Intervals
from oodbench.metrics import PixelMetrics, Sketch, bootstrap_intervals
from oodbench.metrics.resampling.intervals import LEVEL, METHOD, RESAMPLES
from oodbench.planning.records import FrameSetRecord

NO_SKETCH = "the protocol bins each frame at its own percentiles, which no sketch can represent"

# Largest difference between a sketch's metric and the exact metric for which an interval is computed.
_TOLERANCE = 0.002


def resampling_unit(groups: Sequence[str]) -> tuple[Literal["frames", "groups"], int]:
    """Return the unit of resampling for frames with these groups, and the number of units."""
    units = len(set(groups))
    return "frames" if units == len(groups) else "groups", units


def result_intervals(sketch: Sketch | None, metrics: PixelMetrics, benchmark: FrameSetRecord, seed: int) -> Intervals:
    """Compute bootstrap intervals of metrics; resample groups if the benchmark has groups of several frames."""
    groups = [frame.group for frame in benchmark.frames]
    unit, units = resampling_unit(groups)
    undefined = dict.fromkeys(metrics.values, NO_SKETCH) if sketch is None else {}
    bounds: dict[str, tuple[float, float]] = {}
    if sketch is not None:
        intervals = bootstrap_intervals(sketch.group(groups), seed)
        for name, approximate in zip(sketch.names, sketch.metrics()[:, 0], strict=True):
            exact = metrics.values[name]
            if math.isnan(exact):
                undefined[name] = metrics.undefined[name]
            elif abs(approximate - exact) > _TOLERANCE:
                undefined[name] = f"the sketch gives {approximate:.4f} and the exact value is {exact:.4f}"
            elif name in intervals.undefined:
                undefined[name] = intervals.undefined[name]
            else:
                bounds[name] = intervals.bounds[name]
    return Intervals(
        level=LEVEL,
        method=METHOD,
        unit=unit,
        units=units,
        resamples=RESAMPLES,
        bounds=bounds,
        undefined=undefined,
    )
