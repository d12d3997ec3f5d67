"""The stored maps of one row with the labels that they are held against, and the stored classes beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from oodbench.contracts import Scoring
from oodbench.errors import NotStoredError
from oodbench.planning.frame_index import FrameRecord
from oodbench.planning.records import FrameSetRecord, PlanRecord, ScorerRecord
from oodbench.storage.local import LocalStore, predictions_key
from oodbench.types import AnomalyLabels, ClassMap, Frame, ScoreMap


def iter_scores(
    scorer: ScorerRecord, benchmark: FrameSetRecord, frames: Mapping[str, Frame], store: LocalStore
) -> Iterator[tuple[FrameRecord, ScoreMap, AnomalyLabels]]:
    """Each frame with its map and its labels, in the benchmark's order.

    Args:
        scorer, benchmark: what the row is of; a benchmark without labels has no rows.
        frames: digest of a frame -> frame, for its labels.
        store: where the maps are.

    Raises:
        NotStoredError: a map is not there.
    """
    for frame in benchmark.frames:
        read_labels = frames[frame.digest].read_anomaly_labels
        assert read_labels is not None, "a benchmark without labels has no rows"
        yield frame, store.read_map("scores", scorer.key, frame.key), read_labels()


def read_prediction(record: PlanRecord, network: str, frame: str, store: LocalStore) -> ClassMap | None:
    """The classes that a network predicts in the frame of that key; None where they are not stored."""
    digest = next(known.digest for known in record.networks if known.name == network)
    try:
        return store.read_map("predictions", predictions_key(digest, Scoring(**record.scoring)), frame)
    except NotStoredError:
        return None
