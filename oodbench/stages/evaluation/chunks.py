"""Chunks of frames whose scores are counted in bins, which bound the metrics of any number of pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from typing_extensions import override

from oodbench.class_sets import CLASS_SETS
from oodbench.contracts import Calibration, Protocol
from oodbench.errors import NotStoredError
from oodbench.metrics import PixelSketch, pixel_brackets
from oodbench.metrics.measurements.chunk import ChunkBins, FrameChunk
from oodbench.stages.evaluation.breakdown import BreakdownCounter
from oodbench.stages.evaluation.scores import MeasuredScores, ScoreEvaluation
from oodbench.storage.keys import Kind, bins_key
from oodbench.storage.scored_benchmark import ScoredBenchmark


def read_bins(scored: ScoredBenchmark) -> ChunkBins | None:
    """Return the bins of a scorer on a benchmark; None if they are not placed yet."""
    placed = scored.artifacts.calibration(bins_key(scored.scorer.key, scored.benchmark))
    return None if placed is None else ChunkBins.of(placed)


def place_bins(scored: ScoredBenchmark, quantiles: Calibration) -> ChunkBins:
    """Place and store the bins of a scorer on a benchmark.

    Args:
        scored: The scorer and the benchmark.
        quantiles: The scorer's calibration, or without one the quantiles of a frame of the benchmark.
    """
    scored.artifacts.write_calibration(bins_key(scored.scorer.key, scored.benchmark), quantiles)
    return ChunkBins.of(quantiles)


class BucketedScores(MeasuredScores):
    """All chunks of a benchmark.

    Args:
        scored: The scorer and the benchmark.

    Raises:
        NotStoredError: A frame is in no chunk.
        RunFolderError: A chunk is damaged.
    """

    def __init__(self, scored: ScoredBenchmark) -> None:
        self._scored = scored
        bins = read_bins(scored)
        wanted = {frame.place for frame in scored.benchmark.frames}
        if bins is not None:
            self._chunk = FrameChunk(bins)
            for chunk in _read_chunks(scored, bins):
                found = chunk.digests.keys()
                # Chunks of an earlier command can have other frames.
                if found <= wanted and found.isdisjoint(self._chunk.digests):
                    self._chunk.merge([chunk])
        if bins is None or self._chunk.digests.keys() != wanted:
            what = f"the scores of {scored.scorer.label} on {scored.benchmark.name}"
            raise NotStoredError(
                f"{scored.artifacts.store.location}: {what} are not stored, because they were not computed or not kept",
                "Run again with --keep-scores measurements or all.",
            )

    @property
    @override
    def digests(self) -> Sequence[str]:
        return [self._chunk.digests[frame.place] for frame in self._scored.benchmark.frames]

    @override
    def evaluate(self, protocol: Protocol) -> ScoreEvaluation:
        scored, chunk = self._scored, self._chunk
        brackets = pixel_brackets(chunk.counts, protocol)
        bins = chunk.final_bins(protocol.tpr)
        counts = np.stack([chunk.sketches[frame.place] for frame in scored.benchmark.frames])
        classes = CLASS_SETS.get(scored.plan.classes or "")
        counter = BreakdownCounter(bins, protocol.tpr, scored.calibration(), classes)
        counter.take(chunk)
        return ScoreEvaluation(
            brackets.midpoints(),
            PixelSketch(protocol.pixel_metrics, bins, counts, protocol.tpr),
            counter.breakdown(),
            brackets.bounds(),
        )


def _read_chunks(scored: ScoredBenchmark, bins: ChunkBins) -> Iterator[FrameChunk]:
    for key in scored.artifacts.store.keys(Kind.CHUNK):
        scorer, name = key.parts
        if scorer == scored.scorer.key and name.endswith(f"-{bins.name}"):
            yield scored.artifacts.chunk(key, bins)
