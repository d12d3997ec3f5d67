"""Sketch and breakdown of a result, computed from the measurements of its frames."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from oodbench.class_sets import CLASS_SETS
from oodbench.contracts import Intervals, Protocol
from oodbench.metrics import Evaluation, PixelMetrics, PixelSketch, Sketch, bootstrap_intervals, make_evaluation
from oodbench.metrics.measurements.frame import FrameMeasurement
from oodbench.metrics.resampling.intervals import LEVEL, METHOD, RESAMPLES
from oodbench.planning.records import FrameSetRecord
from oodbench.stages.evaluation.breakdown import BreakdownCounter
from oodbench.stages.evaluation.measurements import load_measurements
from oodbench.storage.scored_benchmark import ScoredBenchmark

NO_SKETCH = "the protocol bins each frame at its own percentiles, which no sketch can represent"

# Largest difference between a sketch's metric and the exact metric for which an interval is computed.
_TOLERANCE = 0.002


def write_sketch_and_breakdown(
    scored: ScoredBenchmark, evaluation: Evaluation, frames: Sequence[FrameMeasurement]
) -> Sketch | None:
    """Store the sketch and the breakdown of one result.

    Args:
        scored: The scorer and the benchmark.
        evaluation: The evaluation, which has counted all frames of the benchmark.
        frames: The measurements of these frames.

    Returns:
        The sketch; None if the protocol has none.
    """
    result = scored.result_key(evaluation.protocol)
    sketch: Sketch | None = evaluation.frame_values()
    bins = evaluation.bins()
    if bins is not None:
        tpr = evaluation.protocol.tpr
        counter = BreakdownCounter(bins, tpr, scored.calibration(), CLASS_SETS.get(scored.plan.classes or ""))
        counts = np.stack([counter.update(frame) for frame in frames])
        sketch = PixelSketch(evaluation.protocol.pixel_metrics, bins, counts, tpr)
        scored.artifacts.write_breakdown(result, counter.breakdown())
    if sketch is not None:
        scored.artifacts.write_sketch(result, sketch)
    return sketch


def rebuild_sketch(scored: ScoredBenchmark, protocol: Protocol) -> Sketch | None:
    """Rebuild and store the sketch and the breakdown of a result; return the sketch, or None if there is none."""
    evaluation = make_evaluation(protocol)
    frames = load_measurements(scored)
    for frame in frames:
        evaluation.add(frame.scores)
    return write_sketch_and_breakdown(scored, evaluation, frames)


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
