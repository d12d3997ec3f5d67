"""Files in which the score stage stores measurements: one per frame, or one per chunk of frames."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from typing_extensions import override

from oodbench.metrics.measurements.chunk import ChunkBins, FrameChunk
from oodbench.metrics.measurements.frame import ComponentRule, FrameMeasurement
from oodbench.planning.frame_record import FrameRecord
from oodbench.storage.artifacts import RunArtifacts
from oodbench.storage.keys import Key, chunk_key, measurement_key

CHUNK_PIXELS = 1 << 27
"""Number of pixels from which on a chunk is complete: 64 frames of 1024 x 2048."""

Submit = Callable[[Callable[..., None], Any, Any], None]
"""A function that calls a function with two arguments in another thread."""


class MeasurementFiles(ABC):
    """The stored measurements of the scorers of one network on one benchmark."""

    @abstractmethod
    def has(self, scorer: str, index: int) -> bool:
        """Return whether the measurement of a frame is stored."""

    @abstractmethod
    def add(self, scorer: str, index: int, measurement: FrameMeasurement, submit: Submit) -> None:
        """Store a measurement, in another thread."""


class FrameFiles(MeasurementFiles):
    """One file per frame, from which exact metrics are computed.

    Args:
        artifacts: The artifacts of the run.
        frames: The records of the frames.
        rules: Maps the key of each measured scorer to the rules whose components are measured.
    """

    def __init__(
        self, artifacts: RunArtifacts, frames: Sequence[FrameRecord], rules: Mapping[str, Sequence[ComponentRule]]
    ) -> None:
        self._artifacts, self._frames, self._rules = artifacts, frames, rules

    @override
    def has(self, scorer: str, index: int) -> bool:
        return scorer in self._rules and self._artifacts.store.is_intact(self._key(scorer, index))

    @override
    def add(self, scorer: str, index: int, measurement: FrameMeasurement, submit: Submit) -> None:
        submit(self._artifacts.write_measurement, self._key(scorer, index), measurement)

    def _key(self, scorer: str, index: int) -> Key:
        return measurement_key(scorer, self._frames[index], [rule.name for rule in self._rules[scorer]])


class ChunkFiles(MeasurementFiles):
    """One file per chunk of frames, from which bounds of the metrics are computed.

    A chunk is stored when its last frame is measured. Its frames are the same in a resumed run.

    Args:
        artifacts: The artifacts of the run.
        frames: The records of the frames.
        batches: The batches that are scored, in order.
        bins: Maps the key of each measured scorer to its bins.
    """

    def __init__(
        self,
        artifacts: RunArtifacts,
        frames: Sequence[FrameRecord],
        batches: Sequence[range],
        bins: Mapping[str, ChunkBins],
    ) -> None:
        self._artifacts, self._frames, self._bins = artifacts, frames, bins
        chunks = _split_chunks(frames, batches)
        self._sizes = [len(chunk) for chunk in chunks]
        self._chunk_of = {index: number for number, chunk in enumerate(chunks) for index in chunk}
        self._keys = {
            (scorer, number): chunk_key(scorer, [frames[index] for index in chunk], placed.name)
            for scorer, placed in bins.items()
            for number, chunk in enumerate(chunks)
        }
        self._open: dict[Key, FrameChunk] = {}
        self._locks = {scorer: threading.Lock() for scorer in bins}
        self._stored = {key for key in self._keys.values() if artifacts.store.is_intact(key)}

    @override
    def has(self, scorer: str, index: int) -> bool:
        return self._keys.get((scorer, self._chunk_of[index])) in self._stored

    @override
    def add(self, scorer: str, index: int, measurement: FrameMeasurement, submit: Submit) -> None:
        if not self.has(scorer, index):
            submit(self._count, (scorer, index), measurement)

    def _count(self, place: tuple[str, int], measurement: FrameMeasurement) -> None:
        scorer, index = place
        number = self._chunk_of[index]
        key = self._keys[scorer, number]
        with self._locks[scorer]:
            if key not in self._open:
                self._open[key] = FrameChunk(self._bins[scorer])
            chunk = self._open[key]
            chunk.add(self._frames[index].place, measurement)
            if len(chunk.digests) == self._sizes[number]:
                self._artifacts.write_chunk(key, self._open.pop(key))


def _split_chunks(frames: Sequence[FrameRecord], batches: Sequence[range]) -> Sequence[Sequence[int]]:
    """Return the indices of the frames of each chunk. A chunk ends with the batch that reaches `CHUNK_PIXELS`."""
    chunks: list[list[int]] = [[]]
    pixels = 0
    for batch in batches:
        if pixels >= CHUNK_PIXELS:
            chunks.append([])
            pixels = 0
        chunks[-1] += batch
        pixels += sum(frames[index].height * frames[index].width for index in batch)
    return chunks
