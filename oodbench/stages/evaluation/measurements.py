"""Measurements of the score maps of a scorer on a benchmark: the stored ones, or those of the stored maps."""

from __future__ import annotations

from collections.abc import Sequence

from oodbench.errors import NotStoredError, ScoreError
from oodbench.metrics.measurements.frame import ComponentRule, FrameMeasurement, LabelledFrame, measure_frame
from oodbench.planning.frame_record import FrameRecord
from oodbench.storage.keys import measurement_key
from oodbench.storage.run_store import REPAIR
from oodbench.storage.scored_benchmark import ScoredBenchmark
from oodbench.threads import open_pool


def load_measurements(scored: ScoredBenchmark, rules: Sequence[ComponentRule] = ()) -> list[FrameMeasurement]:
    """Return the measurement of each frame. A map is read only if its measurement is not stored.

    Args:
        scored: The scorer and the benchmark.
        rules: The rules whose components are wanted. A measurement that was made without them lacks them if the map is
            not stored.

    Raises:
        NotStoredError: Neither the measurement nor the map of a frame is stored.
        RunFolderError: A measurement or a map is damaged.
        ScoreError: A map contains NaN.
    """
    with open_pool() as pool:
        return list(pool.map(lambda frame: _load(scored, frame, tuple(rules)), scored.benchmark.frames))


def _load(scored: ScoredBenchmark, frame: FrameRecord, rules: tuple[ComponentRule, ...]) -> FrameMeasurement:
    artifacts, scorer = scored.artifacts, scored.scorer.key
    wanted = measurement_key(scorer, frame, [rule.name for rule in rules])
    if artifacts.store.has(wanted):
        return artifacts.measurement(wanted)
    try:
        score = artifacts.map(scored.score_key(frame))
    except NotStoredError:
        without_components = measurement_key(scorer, frame)
        if artifacts.store.has(without_components):
            return artifacts.measurement(without_components)
        raise
    try:
        return measure_frame(score, LabelledFrame.of(scored.labels(frame)), scored.prediction(frame), rules)
    except ScoreError as error:
        path = artifacts.store.name(scored.score_key(frame))
        raise ScoreError(f"{path} ({scored.scorer.method} on {frame.id}): {error.problem}", REPAIR) from None
