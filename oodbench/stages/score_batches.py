"""Scores of batches of frames, and their measurements, computed by one process from one set of loaded objects."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

from oodbench.contracts import Calibration, Method, Scoring, Segmenter
from oodbench.environment import HALVED, describe_environment
from oodbench.errors import ModelError
from oodbench.metrics.measurements.frame import ComponentRule, FrameMeasurement, LabelledFrame, measure_frame
from oodbench.out_of_memory import find_memory_error
from oodbench.planning.frame_record import FrameRecord
from oodbench.planning.plan import combine_needs
from oodbench.stages.apply_methods import ScoredFrame, ScoringCost, add_error_context, score_output
from oodbench.stages.batching import Batch, forward_batches
from oodbench.threads import open_pool
from oodbench.types import ClassMap, Frame, ScoreMap
from oodbench.visualization.level_pictures import encode_level_picture

# Number of batches whose maps can wait to be measured: bridges short delays and limits the memory.
_IN_FLIGHT = 4


@dataclass(frozen=True)
class ScoreJob:
    """What is computed for the frames of one benchmark with one network.

    Attributes:
        network: Name of the network.
        benchmark: Name of the benchmark.
        scoring: The scoring resolution, and the interpolation to the labels' resolution.
        scorers: The keys of the scorers.
        rules: Maps the key of each scorer whose maps are measured to the thresholds at which components are measured,
            too. If it is empty, the frames need no labels.
        kept: Indices of the frames whose maps are returned.
        pictured: Indices of the frames of which small pictures are returned.
        calibrations: Maps the key of each scorer with a calibration to it. Others have no pictures.
    """

    network: str
    benchmark: str
    scoring: Scoring
    scorers: tuple[str, ...]
    rules: Mapping[str, tuple[ComponentRule, ...]]
    kept: frozenset[int]
    pictured: frozenset[int]
    calibrations: Mapping[str, Calibration]


@dataclass(frozen=True)
class BatchTask:
    """One batch of a job.

    Attributes:
        positions: Indices of the batch's frames in the benchmark.
        scorers: The keys of the scorers.
    """

    positions: range
    scorers: tuple[str, ...]


@dataclass(frozen=True)
class FrameOutcome:
    """What a batch yields for one frame.

    Attributes:
        maps: Maps the key of each scorer to its score map, float32 [H, W]; empty if the frame's maps are not kept.
        prediction: Predicted classes, uint8 [H, W]; None if they are not kept, or if there are none.
        measurements: Maps the key of each scorer to the measurement of its map; empty if the job has none.
        pictures: Maps the key of each scorer to a small picture of its map; empty if the frame has none.
    """

    maps: Mapping[str, ScoreMap]
    prediction: ClassMap | None
    measurements: Mapping[str, FrameMeasurement]
    pictures: Mapping[str, bytes]


@dataclass(frozen=True)
class BatchOutcome:
    """What a batch yields.

    Attributes:
        positions: Indices of the frames.
        frames: One outcome per frame.
        cost: Milliseconds per frame: `forward`, `summary`, and `score` by the key of the scorer.
        environment: The environment in which the batch was scored.
    """

    positions: range
    frames: Sequence[FrameOutcome]
    cost: Mapping[str, Any]
    environment: Mapping[str, str]


class BatchScorer:
    """Scorer of the batches of one job. Maps are measured in threads while the network computes the next batch.

    A batch for which the memory of a GPU is not enough is halved once. Its environment then says so, because the
    scores can differ in the last digits.

    Args:
        job: The job.
        network: The network.
        methods: Maps the key of each scorer to its method, ready to score.
        records: Maps the index of each frame of the batches to its record.
        frames: Maps the same indices to the frames.
    """

    def __init__(
        self,
        job: ScoreJob,
        network: Segmenter,
        methods: Mapping[str, Method],
        records: Mapping[int, FrameRecord],
        frames: Mapping[int, Frame],
    ) -> None:
        self._job, self._network, self._methods = job, network, methods
        self._records, self._frames = records, frames
        self._environment = describe_environment(network.device)

    def score(self, tasks: Sequence[BatchTask]) -> Iterator[BatchOutcome]:
        """Score batches and yield their outcomes in order.

        Raises:
            ScoreError: A score is not finite, or a method failed.
            ModelError: The network failed, or there was not enough memory.
            StopRequestedError: A stop was requested.

        An error is raised after the outcomes of all batches that were computed before it.
        """
        done = 0
        while done < len(tasks):
            try:
                for outcome in self._score(tasks[done:]):
                    yield outcome
                    done += 1
            except ModelError as error:
                if not self._can_halve(tasks[done], error):
                    raise
                yield self._score_halves(tasks[done])
                done += 1

    def _can_halve(self, task: BatchTask, error: ModelError) -> bool:
        return len(task.positions) > 1 and self._network.device == "cuda" and find_memory_error(error) is not None

    def _score_halves(self, task: BatchTask) -> BatchOutcome:
        middle = len(task.positions) // 2
        halves = [
            replace(task, positions=positions) for positions in (task.positions[:middle], task.positions[middle:])
        ]
        outcomes = [*self._score(halves)]
        return BatchOutcome(
            task.positions,
            [frame for outcome in outcomes for frame in outcome.frames],
            outcomes[0].cost,
            {**self._environment, HALVED: "batches were halved because the memory of the GPU was not enough"},
        )

    def _score(self, tasks: Sequence[BatchTask]) -> Iterator[BatchOutcome]:
        needs = combine_needs(self._network, self._methods.values())
        indices = [index for task in tasks for index in task.positions]
        starts = accumulate((len(task.positions) for task in tasks), initial=0)
        wanted = [range(start, start + len(task.positions)) for start, task in zip(starts, tasks, strict=False)]
        forward = forward_batches(self._network, [self._frames[index] for index in indices], wanted, needs)
        with open_pool() as pool:
            measuring: deque[_Measuring] = deque()
            try:
                for task, batch in zip(tasks, forward, strict=True):
                    measuring.append(self._start(task, batch, pool))
                    if len(measuring) > _IN_FLIGHT:
                        yield measuring.popleft().outcome()
            except Exception:
                yield from (waiting.outcome() for waiting in measuring)
                raise
            yield from (waiting.outcome() for waiting in measuring)

    def _start(self, task: BatchTask, batch: Batch, pool: ThreadPoolExecutor) -> _Measuring:
        """Score a batch, and start to measure its maps."""
        job = self._job
        records = [self._records[index] for index in task.positions]
        frames = [self._frames[index] for index in task.positions]
        sizes = [(record.height, record.width) for record in records]
        methods = {key: self._methods[key] for key in task.scorers}
        with add_error_context(self._network, frames):
            scored, cost = score_output(batch.output, sizes, methods, job.scoring)
        started = [
            self._start_frame(index, frame, result, pool)
            for index, frame, result in zip(task.positions, frames, scored, strict=True)
        ]
        return _Measuring(task.positions, started, _cost_line(batch, cost), self._environment)

    def _start_frame(self, index: int, frame: Frame, scored: ScoredFrame, pool: ThreadPoolExecutor) -> _MeasuringFrame:
        job = self._job
        labels = pool.submit(_read_labels, frame) if job.rules else None
        measurements = {
            key: pool.submit(_measure, score, labels, scored.prediction, job.rules[key])
            for key, score in scored.scores.items()
            if labels is not None and key in job.rules
        }
        pictures = {
            key: pool.submit(encode_level_picture, score, job.calibrations[key])
            for key, score in scored.scores.items()
            if index in job.pictured and key in job.calibrations
        }
        return _MeasuringFrame(scored if index in job.kept else None, measurements, pictures)


@dataclass(frozen=True)
class _MeasuringFrame:
    """A frame whose maps are being measured, and its maps if they are kept."""

    kept: ScoredFrame | None
    measurements: Mapping[str, Future[FrameMeasurement]]
    pictures: Mapping[str, Future[bytes]]

    def outcome(self) -> FrameOutcome:
        return FrameOutcome(
            self.kept.scores if self.kept else {},
            self.kept.prediction if self.kept else None,
            {key: future.result() for key, future in self.measurements.items()},
            {key: future.result() for key, future in self.pictures.items()},
        )


@dataclass(frozen=True)
class _Measuring:
    """A batch whose maps are being measured."""

    positions: range
    frames: Sequence[_MeasuringFrame]
    cost: Mapping[str, Any]
    environment: Mapping[str, str]

    def outcome(self) -> BatchOutcome:
        """Wait for the measurements, and return the outcome."""
        return BatchOutcome(self.positions, [frame.outcome() for frame in self.frames], self.cost, self.environment)


def _read_labels(frame: Frame) -> LabelledFrame:
    assert frame.read_anomaly_labels is not None, "only benchmarks with labels are measured"
    return LabelledFrame.of(frame.read_anomaly_labels())


def _measure(
    score: ScoreMap, labels: Future[LabelledFrame], prediction: ClassMap | None, rules: tuple[ComponentRule, ...]
) -> FrameMeasurement:
    return measure_frame(score, labels.result(), prediction, rules)


def _cost_line(batch: Batch, cost: ScoringCost) -> dict[str, Any]:
    count = len(batch.positions)
    return {
        "forward": 1e3 * batch.seconds / count,
        "summary": 1e3 * cost.summary / count,
        "score": {key: 1e3 * seconds / count for key, seconds in cost.scorers.items()},
    }
