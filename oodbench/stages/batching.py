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

WORKERS = 2
AHEAD = 4


@dataclass(frozen=True)
class Batch:
    """One forward pass.

    Attributes:
        positions: of the batch's frames in the sequence.
        output: of the network.
        seconds: what the network took.
        labels: a dataset's, where they were asked for; else none.
    """

    positions: range
    output: SegmenterOutput
    seconds: float
    labels: Sequence[SemanticLabels]


def split_batches(count: int, size: int) -> list[range]:
    """The boundaries that the plan fixes; a resumed run cuts nowhere else."""
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


def forward_batches(
    network: Segmenter, frames: Sequence[Frame], wanted: Sequence[range], needs: Needs, *, labelled: bool = False
) -> Iterator[Batch]:
    """One forward pass for each of the batches, in order; with `labelled` the frames' semantic labels beside it."""

    def prepare(frame: Frame) -> tuple[Any, list[SemanticLabels]]:
        return network.prepare(frame.read_image()), [read_semantic_labels(frame)] if labelled else []

    with ThreadPoolExecutor(WORKERS) as pool:
        pending: deque[tuple[range, list[Future[tuple[Any, list[SemanticLabels]]]]]] = deque()
        waiting = iter(wanted)
        try:
            while True:
                while len(pending) < AHEAD and (positions := next(waiting, None)) is not None:
                    pending.append((positions, [pool.submit(prepare, frames[index]) for index in positions]))
                if not pending:
                    return
                positions, futures = pending.popleft()
                prepared = [future.result() for future in futures]
                start = time.perf_counter()
                output = network.forward([image for image, _ in prepared], needs)
                seconds = time.perf_counter() - start
                yield Batch(positions, output, seconds, [label for _, labels in prepared for label in labels])
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def read_semantic_labels(frame: Frame) -> SemanticLabels:
    """The labels of a dataset's frame."""
    assert frame.read_semantic_labels is not None, "frames of a dataset have semantic labels"
    return frame.read_semantic_labels()
