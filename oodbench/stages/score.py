"""Fourth stage of a run: one forward pass per batch, scores of all methods, and storage of each map."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from oodbench.environment import describe_environment, join_environments
from oodbench.metrics.protocols import PROTOCOLS
from oodbench.planning.frame_record import FrameRecord
from oodbench.planning.plan import Plan, combine_needs
from oodbench.planning.records import FrameSetRecord, ScorerRecord, SegmenterRecord
from oodbench.planning.shard import Shard
from oodbench.progress import Progress
from oodbench.stages.apply_methods import add_error_context, score_output
from oodbench.stages.batching import forward_batches, split_batches
from oodbench.stages.failures import Failures
from oodbench.storage.artifacts import RunArtifacts
from oodbench.storage.keys import Key, cost_key, environment_key, prediction_key, result_key, score_key

# Maximum number of maps that wait to be written: bridges short delays of the disk and limits the memory.
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
    """Score the batches whose maps are not all stored. A batch is always scored as a whole.

    Args:
        plan: The plan of the run.
        artifacts: The artifacts of the run.
        progress: Callback for progress messages.
        keep_maps: Whether maps are kept after evaluation; False: score only for results that do not exist yet.
        shard: The shard to score; None: score all batches.
        failures: Collector for errors of single benchmarks; None: raise the first error.

    Raises:
        StopRequestedError: A stop was requested; it takes effect after a batch.
    """
    failures = Failures(fail_fast=True) if failures is None else failures
    for record in plan.record.networks:
        for benchmark in plan.record.benchmarks:
            if benchmark.name not in failures:
                with failures.collect(benchmark.name, "score"):
                    _score_benchmark(plan, artifacts, progress, record, benchmark, keep_maps=keep_maps, shard=shard)


def _score_benchmark(
    plan: Plan,
    artifacts: RunArtifacts,
    progress: Progress,
    network_record: SegmenterRecord,
    benchmark: FrameSetRecord,
    *,
    keep_maps: bool,
    shard: Shard | None,
) -> None:
    record, network = plan.record, plan.networks[network_record.name]
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
        batch_records = (records[index] for index in positions)
        return all(artifacts.has_map(key(frame), (frame.height, frame.width)) for frame in batch_records)

    def class_key(frame: FrameRecord) -> Key:
        return prediction_key(network_record.digest, scoring, frame.key)

    def missing_scorers(positions: range) -> list[str]:
        if network.capabilities.class_maps is not None and not is_stored(class_key, positions):
            return scorers
        return [key for key in scorers if not is_stored(partial(_map_key, key), positions)]

    wanted = {
        positions: missing
        for number, positions in enumerate(split_batches(len(frames), record.batch_size))
        if (shard is None or shard.takes(number)) and (missing := missing_scorers(positions))
    }
    if not wanted:
        return
    _record_environment(network_record, artifacts)
    methods = {key: plan.scorers[key] for key in scorers}
    needs = combine_needs(network, methods.values())
    total = sum(len(positions) for positions in wanted)
    writer = _Writer(artifacts)
    with writer, progress.track(f"score {network.name} on {benchmark.name}", total, "frames") as advance:
        for batch in forward_batches(network, frames, list(wanted), needs):
            todo = {key: methods[key] for key in wanted[batch.positions]}
            batch_records = [records[index] for index in batch.positions]
            sizes = [(frame.height, frame.width) for frame in batch_records]
            with add_error_context(network, [frames[index] for index in batch.positions]):
                scored_frames, cost = score_output(batch.output, sizes, todo, scoring)
            for frame, scored in zip(batch_records, scored_frames, strict=True):
                for key, values in scored.scores.items():
                    writer.put(score_key(key, frame.key), values)
                if scored.prediction is not None:
                    writer.put(class_key(frame), scored.prediction)
            count = len(batch_records)
            line = {
                "forward": 1e3 * batch.seconds / count,
                "summary": 1e3 * cost.summary / count,
                "score": {key: 1e3 * seconds / count for key, seconds in cost.scorers.items()},
            }
            artifacts.add_cost(cost_key(network_record.digest), line)
            advance(count)


def _record_environment(network: SegmenterRecord, artifacts: RunArtifacts) -> None:
    """Record the environment in which a network scores, next to those of earlier processes of the run."""
    key = environment_key(network.digest)
    earlier = artifacts.json(key)
    environments = [*([earlier] if earlier else []), describe_environment(network.device)]
    artifacts.write_json(key, join_environments(environments))


def _map_key(scorer: str, frame: FrameRecord) -> Key:
    return score_key(scorer, frame.key)


class _Writer:
    """Writer for maps that uses background threads, so that disk writes overlap with inference."""

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
        """Write one map; raise the error of an earlier map if there was one."""
        if len(self._pending) >= _IN_FLIGHT:
            self._settle([self._pending.popleft()])
        self._pending.append(self._pool.submit(self._artifacts.write_map, key, values))

    @staticmethod
    def _settle(futures: Sequence[Future[None]] | deque[Future[None]]) -> None:
        for future in futures:
            future.result()
