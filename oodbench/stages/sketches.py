"""The sketch and the breakdown of a result, from a second pass over its maps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from oodbench.class_sets import CLASS_SETS
from oodbench.contracts import Intervals, Protocol
from oodbench.metrics import Evaluation, PixelMetrics, PixelSketch, Sketch, bootstrap_intervals, make_evaluation
from oodbench.metrics.evaluation import apply_protocol
from oodbench.metrics.resampling.intervals import LEVEL, METHOD, RESAMPLES
from oodbench.planning.records import FrameSetRecord
from oodbench.stages.breakdown import BreakdownCounter
from oodbench.storage.scored_benchmark import ScoredBenchmark

NO_SKETCH = "the protocol bins each frame at its own percentiles, which no sketch can represent"

# A sketch that is further than this from the exact number is no basis for an interval.
_TOLERANCE = 0.002


def write_sketch_and_breakdown(scored: ScoredBenchmark, evaluation: Evaluation) -> Sketch | None:
    """Store the sketch and the breakdown of one result.

    Args:
        scored: The maps of the result.
        evaluation: The evaluation, which has counted all frames of the benchmark.

    Returns:
        The sketch; None if the protocol allows none.
    """
    result = scored.result_key(evaluation.protocol)
    sketch: Sketch | None = evaluation.frame_values()
    bins = evaluation.bins()
    if bins is not None:
        tpr = evaluation.protocol.tpr
        counter = BreakdownCounter(bins, tpr, scored.calibration(), CLASS_SETS.get(scored.plan.classes or ""))
        counts = []
        for frame, stored, known in scored:
            score, labels = apply_protocol(evaluation.protocol, stored, known)
            counts.append(counter.update(score, labels, scored.prediction(frame)))
        sketch = PixelSketch(evaluation.protocol.pixel_metrics, bins, np.stack(counts), tpr)
        scored.artifacts.write_breakdown(result, counter.breakdown())
    if sketch is not None:
        scored.artifacts.write_sketch(result, sketch)
    return sketch


def rebuild_sketch(scored: ScoredBenchmark, protocol: Protocol) -> Sketch | None:
    """Store the sketch and the breakdown of a result that lacks them; returns the sketch as above."""
    evaluation = make_evaluation(protocol)
    for _, score, labels in scored:
        evaluation.update(score, labels)
    return write_sketch_and_breakdown(scored, evaluation)


def resampling_unit(groups: Sequence[str]) -> tuple[Literal["frames", "groups"], int]:
    """Return what is resampled of frames with these groups, and how many there are."""
    units = len(set(groups))
    return "frames" if units == len(groups) else "groups", units


def result_intervals(sketch: Sketch | None, metrics: PixelMetrics, benchmark: FrameSetRecord, seed: int) -> Intervals:
    """Return bootstrap intervals of metrics, over groups if the benchmark has frames that belong together."""
    groups = [frame.group for frame in benchmark.frames]
    unit, units = resampling_unit(groups)
    undefined = dict.fromkeys(metrics.values, NO_SKETCH) if sketch is None else {}
    bounds: dict[str, tuple[float, float]] = {}
    if sketch is not None:
        found = bootstrap_intervals(sketch.group(groups), seed)
        for name, near in zip(sketch.names, sketch.metrics()[:, 0], strict=True):
            exact = metrics.values[name]
            if math.isnan(exact):
                undefined[name] = metrics.undefined[name]
            elif abs(near - exact) > _TOLERANCE:
                undefined[name] = f"frames add up to {near:.4f} in sketches, and the exact number is {exact:.4f}"
            elif name in found.undefined:
                undefined[name] = found.undefined[name]
            else:
                bounds[name] = found.bounds[name]
    return Intervals(
        level=LEVEL,
        method=METHOD,
        unit=unit,
        units=units,
        resamples=RESAMPLES,
        bounds=bounds,
        undefined=undefined,
    )
