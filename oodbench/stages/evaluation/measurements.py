"""Measurements of the score maps of a scorer on a benchmark: the stored ones, or those of the stored maps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from typing_extensions import override

from oodbench.class_sets import CLASS_SETS
from oodbench.contracts import Protocol
from oodbench.errors import NotStoredError, ScoreError
from oodbench.metrics import PixelSketch, Sketch, make_evaluation
from oodbench.metrics.measurements.frame import ComponentRule, FrameMeasurement, LabelledFrame, measure_frame
from oodbench.planning.frame_record import FrameRecord
from oodbench.stages.evaluation.breakdown import BreakdownCounter
from oodbench.stages.evaluation.components import add_component_metrics, component_rules
from oodbench.stages.evaluation.scores import MeasuredScores, ScoreEvaluation
from oodbench.storage.keys import measurement_key
from oodbench.storage.run_store import REPAIR
from oodbench.storage.scored_benchmark import ScoredBenchmark
from oodbench.threads import open_pool


class ExactScores(MeasuredScores):
    """The measurements of single frames, which give exact metrics. A map is read only if it is not measured.

    Args:
        scored: The scorer and the benchmark.
        protocols: The protocols under which the scores will be evaluated. A frame that was measured for other protocols
            lacks their components if its map is not stored.

    Raises:
        NotStoredError: Neither the measurement nor the map of a frame is stored.
        RunFolderError: A measurement or a map is damaged.
        ScoreError: A map contains NaN.
    """

    def __init__(self, scored: ScoredBenchmark, protocols: Iterable[Protocol]) -> None:
        self._scored = scored
        rules = component_rules(scored, protocols)
        with open_pool() as pool:
            self._frames = list(pool.map(lambda frame: _load(scored, frame, rules), scored.benchmark.frames))

    @property
    @override
    def digests(self) -> Sequence[str]:
        return [frame.digest for frame in self._frames]

    @override
    def evaluate(self, protocol: Protocol) -> ScoreEvaluation:
        scored, frames = self._scored, self._frames
        evaluation = make_evaluation(protocol)
        for frame in frames:
            evaluation.add(frame.scores)
        metrics = evaluation.metrics()
        components: dict[str, Any] = {}
        if protocol.components:
            metrics, components = add_component_metrics(metrics, scored, protocol, frames)
        sketch: Sketch | None = evaluation.frame_values()
        breakdown = None
        bins = evaluation.bins()
        if bins is not None:
            classes = CLASS_SETS.get(scored.plan.classes or "")
            counter = BreakdownCounter(bins, protocol.tpr, scored.calibration(), classes)
            counts = np.stack([counter.update(frame) for frame in frames])
            sketch, breakdown = PixelSketch(protocol.pixel_metrics, bins, counts, protocol.tpr), counter.breakdown()
        return ScoreEvaluation(metrics, sketch, breakdown, components=components)


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
