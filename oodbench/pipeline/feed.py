"""Frames on their way into a network: read and prepared by worker threads while the network is busy."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from oodbench.contracts import Needs, Segmenter
from oodbench.types import Frame, SegmenterOutput, SemanticLabels

_WORKERS = 2
_AHEAD = 4


@dataclass(frozen=True)
class Batch:
    """The positions of the batch's frames in the sequence, the network's output, and what it took in seconds."""

    positions: range
    output: SegmenterOutput
    seconds: float


def batches(count: int, size: int) -> list[range]:
    """The boundaries that the plan fixes; a resumed run cuts nowhere else."""
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


def forward_batches(
    network: Segmenter, frames: Sequence[Frame], wanted: Sequence[range], needs: Needs
) -> Iterator[Batch]:
    """One forward pass for each of the batches, in order."""

    def prepare(frame: Frame) -> Any:
        return network.prepare(frame.read_image())

    with ThreadPoolExecutor(_WORKERS) as pool:
        pending: deque[tuple[range, list[Future[Any]]]] = deque()
        waiting = iter(wanted)
        try:
            while True:
                while len(pending) < _AHEAD and (positions := next(waiting, None)) is not None:
                    pending.append((positions, [pool.submit(prepare, frames[index]) for index in positions]))
                if not pending:
                    return
                positions, futures = pending.popleft()
                batch = [future.result() for future in futures]
                start = time.perf_counter()
                output = network.forward(batch, needs)
                yield Batch(positions, output, time.perf_counter() - start)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def semantic_labels(frame: Frame) -> SemanticLabels:
    """The labels of a dataset's frame."""
    assert frame.read_semantic_labels is not None, "frames of a dataset have semantic labels"
    return frame.read_semantic_labels()
