"""Batched inference; worker threads read and prepare frames while the network computes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from oodbench.contracts import Needs, Segmenter
from oodbench.out_of_memory import explain_out_of_memory
from oodbench.stopping import check_stop
from oodbench.threads import open_pool
from oodbench.types import Frame, SegmenterOutput, SemanticLabels

WORKERS = 2
AHEAD = 4


@dataclass(frozen=True)
class Batch:
    """Output of one forward pass.

    Attributes:
        positions: Indices of the batch's frames in the sequence.
        output: The network's output.
        seconds: Duration of the forward pass.
        labels: Semantic labels of the frames if they were requested, otherwise empty.
    """

    positions: range
    output: SegmenterOutput
    seconds: float
    labels: Sequence[SemanticLabels]


def split_batches(count: int, size: int) -> list[range]:
    """Split `count` frames into batches. The batches are the same in a resumed run."""
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


def forward_batches(
    network: Segmenter,
    frames: Sequence[Frame],
    wanted: Sequence[range],
    needs: Needs,
    *,
    labelled: bool = False,
    stops: bool = True,
) -> Iterator[Batch]:
    """Run one forward pass per batch, in order.

    Args:
        network: The network.
        frames: The sequence of frames.
        wanted: Indices of the frames of each batch.
        needs: The output that the network must return.
        labelled: Whether to read the semantic labels of the frames, too.
        stops: Whether a requested stop takes effect here. A training stops between its steps instead.

    Yields:
        The output of each batch.

    Raises:
        ModelError: The network failed, or there was not enough memory.
        StopRequestedError: A stop was requested; it takes effect when the caller asks for the next batch.
    """

    def prepare(frame: Frame) -> tuple[Any, list[SemanticLabels]]:
        return network.prepare(frame.read_image()), [read_semantic_labels(frame)] if labelled else []

    with open_pool(WORKERS) as pool:
        pending: deque[tuple[range, list[Future[tuple[Any, list[SemanticLabels]]]]]] = deque()
        batches = iter(wanted)
        while True:
            while len(pending) < AHEAD and (positions := next(batches, None)) is not None:
                pending.append((positions, [pool.submit(prepare, frames[index]) for index in positions]))
            if not pending:
                return
            positions, futures = pending.popleft()
            with explain_out_of_memory(network, [frames[index] for index in positions]):
                prepared = [future.result() for future in futures]
                start = time.perf_counter()
                output = network.forward([image for image, _ in prepared], needs)
                seconds = time.perf_counter() - start
            yield Batch(positions, output, seconds, [label for _, labels in prepared for label in labels])
            if stops:
                check_stop()


def read_semantic_labels(frame: Frame) -> SemanticLabels:
    """Return the semantic labels of a dataset's frame."""
    assert frame.read_semantic_labels is not None, "frames of a dataset have semantic labels"
    return frame.read_semantic_labels()
