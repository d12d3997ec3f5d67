"""What lies beside a row, from a second look at its maps: a sketch of each frame, and strata."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from oodbench.class_sets import CLASS_SETS
from oodbench.contracts import Intervals
from oodbench.metrics import (
    PROTOCOLS,
    Evaluation,
    PixelMetrics,
    PixelSketch,
    Sketch,
    bootstrap_intervals,
    make_evaluation,
)
from oodbench.metrics.evaluation import apply_protocol
from oodbench.metrics.resampling.intervals import LEVEL, METHOD, RESAMPLES
from oodbench.planning.records import FrameSetRecord, PlanRecord, ScorerRecord
from oodbench.stages.breakdown import BreakdownCounter
from oodbench.stages.calibrate import calibration_key
from oodbench.storage.local import LocalStore
from oodbench.storage.maps import iter_scores, read_prediction
from oodbench.types import Frame

NO_SKETCH = "the protocol bins each frame at percentiles of its own, and no sketch stands for that"

# A sketch that is further from the exact number than this is no ground for an interval.
_TOLERANCE = 0.002


def write_sketch_and_breakdown(
    key: str,
    under: Evaluation,
    record: PlanRecord,
    scorer: ScorerRecord,
    benchmark: FrameSetRecord,
    frames: Mapping[str, Frame],
    store: LocalStore,
) -> Sketch | None:
    """Write the sketch and the strata of one row.

    Args:
        key: of the row.
        under: has taken in all frames of the benchmark.
        record, scorer, benchmark: the plan, and what of it the row is.
        frames: digest of a frame -> frame, for its labels.
        store: where the maps are.

    Returns:
        The sketch; None where the protocol allows of none.
    """
    sketch: Sketch | None = under.frame_values()
    bins = under.bins()
    if bins is not None:
        tpr = under.protocol.tpr
        calibration = store.calibration(calibration_key(scorer.key, record.calibrate)) if record.calibrate else None
        strata = BreakdownCounter(bins, tpr, calibration, CLASS_SETS.get(record.classes or ""))
        counts = []
        for frame, stored, known in iter_scores(scorer, benchmark, frames, store):
            score, labels = apply_protocol(under.protocol, stored, known)
            counts.append(strata.update(score, labels, read_prediction(record, scorer.network, frame.key, store)))
        sketch = PixelSketch(under.protocol.pixel_metrics, bins, np.stack(counts), tpr)
        store.write_json(f"strata/{key}.json", strata.strata().model_dump(mode="json"))
    if sketch is not None:
        store.write_sketch(key, sketch)
    return sketch


def rebuild_sketch(
    key: str,
    record: PlanRecord,
    scorer: ScorerRecord,
    benchmark: FrameSetRecord,
    frames: Mapping[str, Frame],
    store: LocalStore,
) -> Sketch | None:
    """The same for a row that is there and lacks them."""
    under = make_evaluation(PROTOCOLS[record.protocol])
    for _, score, labels in iter_scores(scorer, benchmark, frames, store):
        under.update(score, labels)
    return write_sketch_and_breakdown(key, under, record, scorer, benchmark, frames, store)


def resampling_unit(groups: Sequence[str]) -> tuple[Literal["frames", "groups"], int]:
    """What is resampled of frames with these groups, and how many there are."""
    units = len(set(groups))
    return "frames" if units == len(groups) else "groups", units


def result_intervals(sketch: Sketch | None, metrics: PixelMetrics, benchmark: FrameSetRecord, seed: int) -> Intervals:
    """The intervals of a row with these metrics: of groups where the benchmark has frames that belong together."""
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
