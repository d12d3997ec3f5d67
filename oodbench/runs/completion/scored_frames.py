"""The frames of a run or a shard that are scored, and the time for the others."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from oodbench.planning.frame_record import FrameRecord
from oodbench.planning.records import FrameSetRecord, PlanRecord, SegmenterRecord
from oodbench.planning.shard import Shard
from oodbench.runs.completion.folder import Folder, ResultPlace
from oodbench.storage.keys import Key, measurement_key, score_key


class Count(NamedTuple):
    """Number of frames that all methods of a network have scored, and number of all frames."""

    done: int
    planned: int


class ScoredFrames:
    """The frames that all methods of a network have scored, according to several folders.

    Args:
        plan: The plan of the run.
        folders: The folders whose maps and measurements count.
        results: The stored results, whose maps may be removed (`--keep-scores`).
        shard: The shard whose frames count; None: all frames.
    """

    def __init__(
        self, plan: PlanRecord, folders: Sequence[Folder], results: Collection[ResultPlace], shard: Shard | None = None
    ) -> None:
        self._plan = plan
        self._scored = frozenset[Key]().union(*(folder.scored for folder in folders))
        self._chunked = frozenset[tuple[str, str]]().union(*(folder.chunked for folder in folders))
        self._results = results
        self._shard = shard

    def count(self, benchmark: FrameSetRecord, network: SegmenterRecord) -> Count:
        """Return the number of scored frames of a benchmark."""
        pending = [
            scorer.key
            for scorer in self._plan.scorers
            if scorer.network == network.name and not self._is_evaluated(scorer.key, benchmark)
        ]
        kept = benchmark.kept_frames(self._plan.keep_scores)
        bucketed = self._plan.is_bucketed(benchmark)
        frames = [
            (frame, index in kept)
            for index, frame in enumerate(benchmark.frames)
            if self._shard is None or self._shard.takes(index // self._plan.batch_size)
        ]
        done = sum(
            all(
                (scorer, frame.place) in self._chunked if bucketed else self._is_scored(scorer, frame, kept=is_kept)
                for scorer in pending
            )
            for frame, is_kept in frames
        )
        return Count(done, len(frames))

    def total(self, benchmarks: Sequence[FrameSetRecord]) -> Count:
        """Return the number of scored frames of some benchmarks, counted once per network."""
        counts = [self.count(part, network) for part in benchmarks for network in self._plan.networks]
        return Count(sum(count.done for count in counts), sum(count.planned for count in counts))

    def seconds_left(self, folder: Folder) -> float | None:
        """Return the estimated time to score the other frames, from the costs in a folder; None if it is unknown."""
        seconds = 0.0
        for network in self._plan.networks:
            counts = [self.count(part, network) for part in self._plan.benchmarks]
            if left := sum(count.planned - count.done for count in counts):
                per_frame = folder.seconds_per_frame(network)
                if per_frame is None:
                    return None
                seconds += left * per_frame
        return seconds

    def _is_scored(self, scorer: str, frame: FrameRecord, *, kept: bool) -> bool:
        has_map = score_key(scorer, frame.key) in self._scored
        return has_map or (not kept and measurement_key(scorer, frame) in self._scored)

    def _is_evaluated(self, scorer: str, benchmark: FrameSetRecord) -> bool:
        protocols = self._plan.protocols.get(benchmark.name, ())
        return bool(protocols) and all(ResultPlace(scorer, benchmark.name, name) in self._results for name in protocols)
