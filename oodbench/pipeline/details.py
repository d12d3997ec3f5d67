"""What lies beside a row, from a second look at its maps: a sketch of each frame, and strata."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from oodbench.class_sets import CLASS_SETS
from oodbench.contracts import Intervals
from oodbench.metrics import PROTOCOLS, Evaluation, PixelMetrics, PixelSketch, Sketch, evaluation, intervals
from oodbench.metrics.evaluation import as_read
from oodbench.metrics.intervals import LEVEL, METHOD, RESAMPLES
from oodbench.metrics.pixels import fpr_name
from oodbench.pipeline.calibrate import calibration_name
from oodbench.pipeline.record import PlanRecord, ScorerRecord, SetRecord
from oodbench.pipeline.store import Store
from oodbench.pipeline.stored import stored_prediction, stored_scores
from oodbench.pipeline.strata import FrameStrata
from oodbench.types import Frame

NO_SKETCH = "the protocol bins each frame at percentiles of its own, and no sketch stands for that"

# A sketch that is further from the exact number than this is no ground for an interval.
_TOLERANCE = 0.002


def look_again(
    key: str,
    under: Evaluation,
    record: PlanRecord,
    scorer: ScorerRecord,
    benchmark: SetRecord,
    frames: Mapping[str, Frame],
    store: Store,
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
        calibration = store.calibration(calibration_name(scorer.key, record.calibrate)) if record.calibrate else None
        strata = FrameStrata(bins, tpr, calibration, CLASS_SETS.get(record.classes or ""))
        counts = []
        for frame, stored, known in stored_scores(scorer, benchmark, frames, store):
            score, labels = as_read(under.protocol, stored, known)
            counts.append(strata.update(score, labels, stored_prediction(record, scorer.network, frame.key, store)))
        sketch = PixelSketch(("AP", fpr_name(under.protocol), "AUROC"), bins, np.stack(counts), tpr)
        store.write_json(f"strata/{key}.json", strata.strata().model_dump(mode="json"))
    if sketch is not None:
        store.write_sketch(key, sketch)
    return sketch


def take_in_and_look_again(
    key: str,
    record: PlanRecord,
    scorer: ScorerRecord,
    benchmark: SetRecord,
    frames: Mapping[str, Frame],
    store: Store,
) -> Sketch | None:
    """The same for a row that is there and lacks them."""
    under = evaluation(PROTOCOLS[record.protocol])
    for _, score, labels in stored_scores(scorer, benchmark, frames, store):
        under.update(score, labels)
    return look_again(key, under, record, scorer, benchmark, frames, store)


def resampled_unit(groups: Sequence[str]) -> tuple[Literal["frames", "groups"], int]:
    """What is resampled of frames with these groups, and how many there are."""
    units = len(set(groups))
    return "frames" if units == len(groups) else "groups", units


def row_intervals(sketch: Sketch | None, metrics: PixelMetrics, benchmark: SetRecord, seed: int) -> Intervals:
    """The intervals of a row with these metrics: of groups where the benchmark has frames that belong together."""
    groups = [frame.group for frame in benchmark.frames]
    unit, units = resampled_unit(groups)
    undefined = dict.fromkeys(metrics.values, NO_SKETCH) if sketch is None else {}
    bounds: dict[str, tuple[float, float]] = {}
    if sketch is not None:
        found = intervals(sketch.grouped(groups), seed)
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
