"""Stored score maps of one scorer on one benchmark, with the labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from oodbench.contracts import Calibration, Protocol
from oodbench.errors import NotStoredError
from oodbench.files import digest_bytes
from oodbench.planning.frame_record import FrameRecord
from oodbench.planning.records import FrameSetRecord, PlanRecord, ScorerRecord, SegmenterRecord
from oodbench.storage.artifacts import RunArtifacts
from oodbench.storage.keys import Key, calibration_key, prediction_key, result_key, score_key
from oodbench.types import AnomalyLabels, ClassMap, Frame, ScoreMap


def digest_maps(digests: Iterable[str]) -> str:
    """Return the digest of a scorer's maps on a benchmark, from the digests of the maps in the order of the frames."""
    return digest_bytes("\n".join(digests).encode())


@dataclass(frozen=True)
class ScoredBenchmark:
    """A scorer on a benchmark of a run, with access to its stored maps.

    Attributes:
        plan: The plan of the run.
        scorer: The scorer.
        benchmark: The benchmark, which has public labels.
        frames: Maps the digest of each frame to the frame, for its labels.
        artifacts: The artifacts of the run.
    """

    plan: PlanRecord
    scorer: ScorerRecord
    benchmark: FrameSetRecord
    frames: Mapping[str, Frame]
    artifacts: RunArtifacts

    @property
    def network(self) -> SegmenterRecord:
        """The record of the scorer's network."""
        return self.plan.network(self.scorer.network)

    def __iter__(self) -> Iterator[tuple[FrameRecord, ScoreMap, AnomalyLabels]]:
        """Yield each frame with its score map and its labels, in the benchmark's order.

        Raises:
            NotStoredError: A map is not stored.
        """
        for frame in self.benchmark.frames:
            yield frame, self.artifacts.map(self.score_key(frame)), self.labels(frame)

    def score_key(self, frame: FrameRecord) -> Key:
        """Return the key of a frame's score map."""
        return score_key(self.scorer.key, frame.key)

    def has_maps(self) -> bool:
        """Return whether all score maps are stored."""
        return all(
            self.artifacts.has_map(self.score_key(frame), (frame.height, frame.width))
            for frame in self.benchmark.frames
        )

    def labels(self, frame: FrameRecord) -> AnomalyLabels:
        """Return the labels of a frame."""
        read_labels = self.frames[frame.digest].read_anomaly_labels
        assert read_labels is not None, "a benchmark without labels has no results"
        return read_labels()

    def result_key(self, protocol: Protocol) -> Key:
        """Return the key of the result under a protocol."""
        return result_key(self.plan, self.scorer, self.benchmark, protocol)

    def prediction(self, frame: FrameRecord) -> ClassMap | None:
        """Return the classes that the network predicts in a frame; None if they are not stored."""
        try:
            return self.artifacts.map(prediction_key(self.network.digest, self.plan.scoring, frame.key))
        except NotStoredError:
            return None

    def calibration(self) -> Calibration | None:
        """Return the scorer's calibration; None if the run has no in-distribution frames."""
        frames = self.plan.calibrate
        return None if frames is None else self.artifacts.calibration(calibration_key(self.scorer.key, frames))
