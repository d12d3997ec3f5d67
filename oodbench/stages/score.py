"""The fourth stage: one forward pass a batch, all methods on it, each map into the store."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from oodbench.contracts import Scoring
from oodbench.environment import describe_environment
from oodbench.planning.frame_index import FrameRecord
from oodbench.planning.plan import Plan, combine_needs
from oodbench.planning.records import FrameSetRecord, SegmenterRecord
from oodbench.planning.shard import Shard
from oodbench.progress import Progress
from oodbench.stages.apply_methods import add_error_context, score_output
from oodbench.stages.batching import forward_batches, split_batches
from oodbench.stages.evaluate import result_key
from oodbench.storage.local import LocalStore, predictions_key

# Maps on their way to the disk at a time: enough to ride over a slow moment, few enough to bound the memory.
_IN_FLIGHT = 24


def score(
    plan: Plan, store: LocalStore, progress: Progress, *, keep_maps: bool = True, shard: Shard | None = None
) -> None:
    """Score what is not scored yet. A batch is done when all its maps are stored; else it is done again, whole.

    Args:
        plan, store, progress: the run.
        keep_maps: maps are wanted for themselves; False: only for rows that are not there yet.
        shard: of each benchmark's batches only those of this piece; None: all.
    """
    for record in plan.record.networks:
        store.write_json(f"environments/{record.digest[:12]}.json", describe_environment(record.device))
        for benchmark in plan.record.benchmarks:
            _score_benchmark(plan, store, progress, record, benchmark, keep_maps=keep_maps, shard=shard)


def _score_benchmark(
    plan: Plan,
    store: LocalStore,
    progress: Progress,
    described: SegmenterRecord,
    benchmark: FrameSetRecord,
    *,
    keep_maps: bool,
    shard: Shard | None,
) -> None:
    record, network = plan.record, plan.networks[described.name]
    network_key = described.digest[:12]
    scoring = Scoring(**record.scoring)
    prediction_key = predictions_key(described.digest, scoring)
    # Where the row is there already its maps may have been removed after evaluation (--keep-scores).
    keys = [
        scorer.key
        for scorer in record.scorers
        if scorer.network == network.name and (keep_maps or store.row(result_key(record, scorer, benchmark)) is None)
    ]
    records = benchmark.frames
    frames = [plan.frames[frame.digest] for frame in records]

    def stored(kind: str, key: str, positions: range) -> bool:
        inside = (records[index] for index in positions)
        return all(store.has_map(kind, key, frame.key, (frame.height, frame.width)) for frame in inside)

    def missing(positions: range) -> list[str]:
        if network.capabilities.class_maps is not None and not stored("predictions", prediction_key, positions):
            return keys
        return [key for key in keys if not stored("scores", key, positions)]

    wanted = {
        positions: absent
        for number, positions in enumerate(split_batches(len(frames), record.batch_size))
        if (shard is None or shard.takes(number)) and (absent := missing(positions))
    }
    if not wanted:
        return
    methods = {key: plan.scorers[key] for key in keys}
    needs = combine_needs(network, methods.values())
    total = sum(len(positions) for positions in wanted)
    writer = _Writer(store)
    with writer, progress.track(f"score {network.name} on {benchmark.name}", total, "frames") as advance:
        for batch in forward_batches(network, frames, list(wanted), needs):
            todo = {key: methods[key] for key in wanted[batch.positions]}
            inside = [records[index] for index in batch.positions]
            with add_error_context(network.name, [frames[index] for index in batch.positions]):
                scored, cost = score_output(batch.output, [(f.height, f.width) for f in inside], todo, scoring)
            for frame, result in zip(inside, scored, strict=True):
                for key, values in result.scores.items():
                    writer.put("scores", key, frame, values)
                if result.prediction is not None:
                    writer.put("predictions", prediction_key, frame, result.prediction)
            count = len(inside)
            milliseconds = {key: 1e3 * seconds / count for key, seconds in cost.scorers.items()}
            line = {
                "forward": 1e3 * batch.seconds / count,
                "summary": 1e3 * cost.summary / count,
                "score": milliseconds,
            }
            store.add_cost(network_key, line)
            advance(count)


class _Writer:
    """Stores maps in the background, so that the disk's time is the network's time too."""

    def __init__(self, store: LocalStore) -> None:
        self._store = store
        self._pool = ThreadPoolExecutor(2)
        self._pending: deque[Future[None]] = deque()

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, kind: object, *_: Any) -> None:
        self._pool.shutdown(wait=True)
        if kind is None:
            self._settle(self._pending)

    def put(self, kind: str, key: str, frame: FrameRecord, values: np.ndarray) -> None:
        """Store one map; an error of an earlier one is raised here."""
        if len(self._pending) >= _IN_FLIGHT:
            self._settle([self._pending.popleft()])
        self._pending.append(self._pool.submit(self._store.write_map, kind, key, frame.key, values))

    @staticmethod
    def _settle(futures: Sequence[Future[None]] | deque[Future[None]]) -> None:
        for future in futures:
            future.result()
