"""Fourth stage of a run: the scores of all methods on all frames, measured while they are in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np

from oodbench.contracts import Calibration
from oodbench.environment import join_environments
from oodbench.metrics.protocols import PROTOCOLS
from oodbench.planning.plan import Plan
from oodbench.planning.records import FrameSetRecord, SegmenterRecord
from oodbench.planning.shard import Shard
from oodbench.progress import Progress
from oodbench.stages.batching import split_batches
from oodbench.stages.calibrate import LEVELS
from oodbench.stages.evaluation.chunks import place_bins, read_bins
from oodbench.stages.evaluation.components import component_rules
from oodbench.stages.executor import BatchesFailedError, Executor
from oodbench.stages.failures import Failures
from oodbench.stages.measurement_files import ChunkFiles, FrameFiles, MeasurementFiles
from oodbench.stages.score_batches import BatchOutcome, BatchTask, ScoreJob
from oodbench.storage.artifacts import RunArtifacts
from oodbench.storage.keys import Key, cost_key, environment_key, failure_key, picture_key, prediction_key, score_key
from oodbench.storage.scored_benchmark import ScoredBenchmark

MOST_PICTURES = 200
"""Number of frames per benchmark of which small pictures are stored if their maps are not."""

# Maximum number of files that wait to be written: bridges short delays of the disk and limits the memory.
_IN_FLIGHT = 24


def score(
    plan: Plan,
    artifacts: RunArtifacts,
    progress: Progress,
    executor: Executor,
    *,
    shard: Shard | None = None,
    failures: Failures | None = None,
) -> None:
    """Score the batches whose maps or measurements are not all stored. A batch is always scored as a whole.

    The maps of frames with labels are measured. The plan states which maps are stored, too.

    Args:
        plan: The plan of the run.
        artifacts: The artifacts of the run.
        progress: Callback for progress messages.
        executor: What runs the batches.
        shard: The shard to score; None: score all batches.
        failures: Collector for errors of single benchmarks; None: raise the first error.

    Raises:
        StopRequestedError: A stop was requested; it takes effect after a batch.
    """
    failures = Failures(fail_fast=True) if failures is None else failures
    for network in plan.record.networks:
        for benchmark in plan.record.benchmarks:
            if benchmark.name not in failures:
                with failures.collect(benchmark.name, "score"):
                    _Scoring(plan, artifacts, network, benchmark).run(executor, progress, shard)


class _Scoring:
    """The scores of one network on one benchmark, and what is stored of them.

    Args:
        plan: The plan of the run.
        artifacts: The artifacts of the run.
        network: The record of the network.
        benchmark: The record of the benchmark.
    """

    def __init__(
        self, plan: Plan, artifacts: RunArtifacts, network: SegmenterRecord, benchmark: FrameSetRecord
    ) -> None:
        self._plan, self._artifacts = plan, artifacts
        self._network, self._benchmark = network, benchmark
        self._has_classes = plan.networks[network.name].capabilities.class_maps is not None
        record, keep_scores = plan.record, plan.record.keep_scores
        self._protocols = [PROTOCOLS[name] for name in record.protocols.get(benchmark.name, ())]
        self._labelled = all(plan.frames[frame.digest].read_anomaly_labels is not None for frame in benchmark.frames)
        scorers = [
            ScoredBenchmark(record, scorer, benchmark, plan.frames, artifacts)
            for scorer in record.scorers
            if scorer.network == network.name
        ]
        self._environments: list[Mapping[str, str]] = []
        self._bucketed = record.is_bucketed(benchmark)
        # The maps and measurements of results that exist may have been removed after evaluation.
        done = {scored.scorer.key for scored in scorers if self._has_results(scored)}
        kept = keep_scores in ("all", "measurements")
        wanted = [scored for scored in scorers if kept or scored.scorer.key not in done]
        measured = [scored for scored in wanted if keep_scores == "measurements" or scored.scorer.key not in done]
        self._measured = measured if self._labelled else []
        kept_frames = benchmark.kept_frames(keep_scores)
        self._job = ScoreJob(
            network.name,
            benchmark.name,
            record.scoring,
            tuple(scored.scorer.key for scored in wanted),
            {scored.scorer.key: component_rules(scored, self._protocols) for scored in self._measured},
            kept_frames,
            frozenset(benchmark.spaced_frames(MOST_PICTURES)) - kept_frames,
            {scored.scorer.key: found for scored in wanted if (found := scored.calibration()) is not None},
        )

    def run(self, executor: Executor, progress: Progress, shard: Shard | None) -> None:
        """Score the missing batches and store what they yield."""
        if not self._labelled and not self._job.kept:
            progress.warn(f"{self._benchmark.name} is not scored: it has no labels, and no score maps are kept")
            return
        numbered = enumerate(split_batches(len(self._benchmark.frames), self._plan.record.batch_size))
        batches = [positions for number, positions in numbered if shard is None or shard.takes(number)]
        files = self._measurement_files(executor, batches)
        tasks = [
            BatchTask(positions, missing)
            for positions in batches
            if (missing := self._missing_scorers(positions, files))
        ]
        if not tasks:
            return
        total = sum(len(task.positions) for task in tasks)
        title = f"score {self._network.name} on {self._benchmark.name}"
        with (
            self._record_failures(),
            _Writer() as writer,
            progress.track(title, total, "frames") as advance,
        ):
            for outcome in executor.score(self._plan, self._job, tasks):
                self._store(outcome, files, writer)
                advance(len(outcome.positions))

    @contextmanager
    def _record_failures(self) -> Iterator[None]:
        """List the frames that fail within the block, in place of those that failed earlier."""
        key = failure_key(self._network.digest, self._benchmark)
        try:
            yield
        except BatchesFailedError as error:
            frames = self._benchmark.frames
            failures = [
                {
                    "frames": [frames[index].id for index in batch.positions],
                    "problem": batch.error.problem,
                    "remedy": batch.error.remedy,
                }
                for batch in error.failed
            ]
            self._artifacts.write_json(key, failures)
            raise
        if self._artifacts.store.has(key):
            self._artifacts.store.delete(key)

    def _has_results(self, scored: ScoredBenchmark) -> bool:
        keys = map(scored.result_key, self._protocols)
        return bool(self._protocols) and all(self._artifacts.result(key) is not None for key in keys)

    def _measurement_files(self, executor: Executor, batches: Sequence[range]) -> MeasurementFiles:
        """Return the files of the measurements. Bins that are not placed yet are placed."""
        frames = self._benchmark.frames
        if not self._bucketed:
            return FrameFiles(self._artifacts, frames, self._job.rules)
        bins = {}
        for scored in self._measured:
            placed = read_bins(scored)
            bins[scored.scorer.key] = placed or place_bins(
                scored, scored.calibration() or self._sample(scored, executor)
            )
        return ChunkFiles(self._artifacts, frames, batches, bins)

    def _sample(self, scored: ScoredBenchmark, executor: Executor) -> Calibration:
        """Return quantiles of the scores of the benchmark's first frame, for a run without calibration."""
        task = BatchTask(
            split_batches(len(self._benchmark.frames), self._plan.record.batch_size)[0], (scored.scorer.key,)
        )
        (outcome,) = executor.score(self._plan, self._job, [task])
        scores, _ = outcome.frames[0].measurements[scored.scorer.key].scores.pixels()
        source = f"first frame of {self._benchmark.title}"
        return Calibration(LEVELS, np.quantile(scores[np.isfinite(scores)], LEVELS), source)

    def _missing_scorers(self, positions: range, files: MeasurementFiles) -> tuple[str, ...]:
        """Return the scorers of which a map or a measurement of the batch is missing."""
        if self._has_classes and not all(map(self._has_class_map, self._job.kept.intersection(positions))):
            return self._job.scorers
        return tuple(
            key for key in self._job.scorers if not all(self._is_stored(key, index, files) for index in positions)
        )

    def _is_stored(self, scorer: str, index: int, files: MeasurementFiles) -> bool:
        """Return whether everything of a frame that is wanted is stored, or can be computed from what is stored."""
        has_map = self._has_map(score_key(scorer, self._benchmark.frames[index].key), index)
        if index in self._job.kept and not has_map:
            return False
        if index in self._job.pictured and scorer in self._job.calibrations and not self._has_picture(scorer, index):
            return False
        if scorer not in self._job.rules or files.has(scorer, index):
            return True
        return not self._bucketed and has_map and (not self._has_classes or self._has_class_map(index))

    def _has_picture(self, scorer: str, index: int) -> bool:
        return self._artifacts.store.is_intact(picture_key(scorer, self._benchmark.frames[index]))

    def _has_class_map(self, index: int) -> bool:
        return self._has_map(self._class_key(index), index)

    def _has_map(self, key: Key, index: int) -> bool:
        frame = self._benchmark.frames[index]
        return self._artifacts.has_map(key, (frame.height, frame.width))

    def _class_key(self, index: int) -> Key:
        return prediction_key(self._network.digest, self._plan.record.scoring, self._benchmark.frames[index].key)

    def _store(self, outcome: BatchOutcome, files: MeasurementFiles, writer: _Writer) -> None:
        artifacts = self._artifacts
        if outcome.environment not in self._environments:
            _record_environment(self._network, outcome.environment, artifacts)
            self._environments.append(outcome.environment)
        for index, frame in zip(outcome.positions, outcome.frames, strict=True):
            for scorer, measurement in frame.measurements.items():
                files.add(scorer, index, measurement, writer.submit)
            for scorer, values in frame.maps.items():
                writer.submit(artifacts.write_map, score_key(scorer, self._benchmark.frames[index].key), values)
            for scorer, picture in frame.pictures.items():
                writer.submit(artifacts.store.write, picture_key(scorer, self._benchmark.frames[index]), picture)
            if frame.prediction is not None:
                writer.submit(artifacts.write_map, self._class_key(index), frame.prediction)
        artifacts.add_cost(cost_key(self._network.digest), outcome.cost)


def _record_environment(network: SegmenterRecord, environment: Mapping[str, str], artifacts: RunArtifacts) -> None:
    """Record an environment in which a network scores, next to those of other processes of the run."""
    key = environment_key(network.digest)
    earlier = artifacts.json(key)
    environments = [*([earlier] if earlier else []), environment]
    artifacts.write_json(key, join_environments(environments))


class _Writer:
    """Writer of files that uses background threads, so that disk writes overlap with inference."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(2)
        self._pending: deque[Future[None]] = deque()

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, kind: object, *_: Any) -> None:
        self._pool.shutdown(wait=True)
        if kind is None:
            self._settle(self._pending)

    def submit(self, write: Callable[..., None], key: Any, content: Any) -> None:
        """Write one file; raise the error of an earlier file if there was one."""
        if len(self._pending) >= _IN_FLIGHT:
            self._settle([self._pending.popleft()])
        self._pending.append(self._pool.submit(write, key, content))

    @staticmethod
    def _settle(futures: Iterable[Future[None]]) -> None:
        for future in futures:
            future.result()
