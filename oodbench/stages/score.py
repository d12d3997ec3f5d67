"""The fourth stage: one forward pass per batch, all methods on it, each map into the store."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from oodbench.environment import describe_environment
from oodbench.metrics.protocols import PROTOCOLS
from oodbench.planning.frame_index import FrameRecord
from oodbench.planning.plan import Plan, combine_needs
from oodbench.planning.records import FrameSetRecord, ScorerRecord, SegmenterRecord
from oodbench.planning.shard import Shard
from oodbench.progress import Progress
from oodbench.stages.apply_methods import add_error_context, score_output
from oodbench.stages.batching import forward_batches, split_batches
from oodbench.stages.failures import Failures
from oodbench.stopping import check_stop
from oodbench.storage.artifacts import RunArtifacts
from oodbench.storage.keys import Key, cost_key, environment_key, prediction_key, result_key, score_key

# Maps waiting for the disk at any time: enough to bridge a slow moment, few enough to bound the memory.
_IN_FLIGHT = 24


def score(
    plan: Plan,
    artifacts: RunArtifacts,
    progress: Progress,
    *,
    keep_maps: bool = True,
    shard: Shard | None = None,
    failures: Failures | None = None,
) -> None:
    """Score what is not scored yet. A batch is done if all its maps are stored; otherwise it is done again, whole.

    Args:
        plan: The plan of the run.
        artifacts: What the run has stored.
        progress: Callback for progress messages.
        keep_maps: Whether maps are wanted for themselves; False: only for results that do not exist yet.
        shard: The part of each benchmark's batches to score; None: all.
        failures: Collects the errors of single benchmarks; None: the first one is raised.

    Raises:
        StopRequestedError: It was asked to stop, and did so after a batch.
    """
    failures = Failures(fail_fast=True) if failures is None else failures
    for record in plan.record.networks:
        artifacts.write_json(environment_key(record.digest), describe_environment(record.device))
        for benchmark in plan.record.benchmarks:
            if benchmark.name not in failures:
                with failures.collect(benchmark.name, "score"):
                    _score_benchmark(plan, artifacts, progress, record, benchmark, keep_maps=keep_maps, shard=shard)


def _score_benchmark(
    plan: Plan,
    artifacts: RunArtifacts,
    progress: Progress,
    described: SegmenterRecord,
    benchmark: FrameSetRecord,
    *,
    keep_maps: bool,
    shard: Shard | None,
) -> None:
    record, network = plan.record, plan.networks[described.name]
    scoring = record.scoring
    protocols = [PROTOCOLS[name] for name in record.protocols.get(benchmark.name, ())]

    def has_results(scorer: ScorerRecord) -> bool:
        keys = (result_key(record, scorer, benchmark, protocol) for protocol in protocols)
        return bool(protocols) and all(artifacts.result(key) is not None for key in keys)

    # If the results exist already, their maps may have been removed after evaluation (--keep-scores).
    scorers = [
        scorer.key
        for scorer in record.scorers
        if scorer.network == network.name and (keep_maps or not has_results(scorer))
    ]
    records = benchmark.frames
    frames = [plan.frames[frame.digest] for frame in records]

    def is_stored(key: Callable[[FrameRecord], Key], positions: range) -> bool:
        inside = (records[index] for index in positions)
        return all(artifacts.has_map(key(frame), (frame.height, frame.width)) for frame in inside)

    def predicted(frame: FrameRecord) -> Key:
        return prediction_key(described.digest, scoring, frame.key)

    def missing(positions: range) -> list[str]:
        if network.capabilities.class_maps is not None and not is_stored(predicted, positions):
            return scorers
        return [key for key in scorers if not is_stored(partial(_map_key, key), positions)]

    wanted = {
        positions: absent
        for number, positions in enumerate(split_batches(len(frames), record.batch_size))
        if (shard is None or shard.takes(number)) and (absent := missing(positions))
    }
    if not wanted:
        return
    methods = {key: plan.scorers[key] for key in scorers}
    needs = combine_needs(network, methods.values())
    total = sum(len(positions) for positions in wanted)
    writer = _Writer(artifacts)
    with writer, progress.track(f"score {network.name} on {benchmark.name}", total, "frames") as advance:
        for batch in forward_batches(network, frames, list(wanted), needs):
            todo = {key: methods[key] for key in wanted[batch.positions]}
            inside = [records[index] for index in batch.positions]
            with add_error_context(network.name, [frames[index] for index in batch.positions]):
                scored, cost = score_output(batch.output, [(f.height, f.width) for f in inside], todo, scoring)
            for frame, result in zip(inside, scored, strict=True):
                for key, values in result.scores.items():
                    writer.put(score_key(key, frame.key), values)
                if result.prediction is not None:
                    writer.put(predicted(frame), result.prediction)
            count = len(inside)
            line = {
                "forward": 1e3 * batch.seconds / count,
                "summary": 1e3 * cost.summary / count,
                "score": {key: 1e3 * seconds / count for key, seconds in cost.scorers.items()},
            }
            artifacts.add_cost(cost_key(described.digest), line)
            advance(count)
            check_stop()


def _map_key(scorer: str, frame: FrameRecord) -> Key:
    return score_key(scorer, frame.key)


class _Writer:
    """Writes maps in background threads, so that disk writes overlap with inference."""

    def __init__(self, artifacts: RunArtifacts) -> None:
        self._artifacts = artifacts
        self._pool = ThreadPoolExecutor(2)
        self._pending: deque[Future[None]] = deque()

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, kind: object, *_: Any) -> None:
        self._pool.shutdown(wait=True)
        if kind is None:
            self._settle(self._pending)

    def put(self, key: Key, values: np.ndarray) -> None:
        """Write one map. Raises the error of an earlier one."""
        if len(self._pending) >= _IN_FLIGHT:
            self._settle([self._pending.popleft()])
        self._pending.append(self._pool.submit(self._artifacts.write_map, key, values))

    @staticmethod
    def _settle(futures: Sequence[Future[None]] | deque[Future[None]]) -> None:
        for future in futures:
            future.result()
