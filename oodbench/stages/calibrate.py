"""Third stage of a run: quantiles of each scorer's scores on in-distribution frames that the fit has not used."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from oodbench.contracts import Calibration
from oodbench.errors import DataError
from oodbench.planning.plan import Plan, combine_needs
from oodbench.planning.records import FrameSetRecord
from oodbench.progress import Progress
from oodbench.stages.apply_methods import add_error_context, score_output
from oodbench.stages.batching import forward_batches, split_batches
from oodbench.stages.quality import ClosedSetQuality
from oodbench.storage.artifacts import RunArtifacts
from oodbench.storage.keys import calibration_key, quality_key
from oodbench.types import VOID, ScoreMap, SemanticLabels

# Levels of the quantiles, denser near 1, where thresholds are: steps of 0.01, of 0.001 from 0.99, of 0.0001 from 0.999.
LEVELS = np.unique(
    np.concatenate([np.linspace(0, 1, 101), np.linspace(0.99, 1, 11)[:-1], np.linspace(0.999, 1, 11)]).round(6)
)

# Number of evenly spaced pixels for the quantiles of one scorer: 16 MB, of which 400 exceed the second-highest level.
_PIXELS = 1 << 22


def calibrate(plan: Plan, artifacts: RunArtifacts, progress: Progress) -> None:
    """Calibrate the scorers without a calibration, and measure each network's closed-set quality on the same frames."""
    part = plan.record.calibrate
    if part is None:
        progress.warn("no in-distribution frames (--id-data): colour scales come from each benchmark itself")
        return
    frames = [plan.frames[frame.digest] for frame in part.frames]
    for record in plan.record.networks:
        network = plan.networks[record.name]
        scorers = [scorer.key for scorer in plan.record.scorers if scorer.network == record.name]
        todo = {key: plan.scorers[key] for key in scorers if not artifacts.calibration(calibration_key(key, part))}
        measured = artifacts.json(quality_key(record.digest, part))
        quality = ClosedSetQuality(network.classes) if measured is None else None
        if not todo and quality is None:
            continue
        samples: dict[str, list[np.ndarray]] = {key: [] for key in todo}
        needs = combine_needs(network, todo.values())
        with progress.track(f"calibrate {record.name}", len(frames), "frames") as advance:
            batches = split_batches(len(frames), plan.record.batch_size)
            for batch in forward_batches(network, frames, batches, needs, labelled=True):
                sizes = [label.values.shape for label in batch.labels]
                with add_error_context(network, [frames[index] for index in batch.positions]):
                    scored, _ = score_output(batch.output, sizes, todo, plan.record.scoring)
                for frame, label in zip(scored, batch.labels, strict=True):
                    for key, score in frame.scores.items():
                        samples[key].append(sample_scores(score, label, len(frames)))
                if quality is not None:
                    quality.update(batch.output, batch.labels)
                advance(len(batch.positions))
        for key, parts in samples.items():
            artifacts.write_calibration(calibration_key(key, part), make_calibration(parts, part))
        if quality is not None:
            artifacts.write_json(quality_key(record.digest, part), quality.result())


def sample_scores(score: ScoreMap, labels: SemanticLabels, frames: int) -> ScoreMap:
    """Return the scores of evenly spaced labelled pixels of a frame.

    Args:
        score: float32 [H, W], higher = more anomalous.
        labels: The labels of the frame, of the same size.
        frames: Number of frames of the calibration, among which the pixels are divided.

    Returns:
        float32 [n].
    """
    valid = np.flatnonzero(labels.values != VOID)
    per_frame = max(_PIXELS // frames, 1)
    return score.ravel()[valid[:: max(1, -(-valid.size // per_frame))]]


def make_calibration(samples: Sequence[ScoreMap], part: FrameSetRecord) -> Calibration:
    """Return the calibration of a scorer from its scores on in-distribution frames.

    Args:
        samples: The sampled scores of each frame, float32 [n].
        part: The record of the frames.

    Raises:
        DataError: No pixel is labelled.
    """
    values = np.concatenate(samples)
    if not values.size:
        raise DataError(
            f"{part.name} {part.split}: all pixels of its frames are void; expected labelled pixels",
            "Check the in-distribution labels. The test split of Cityscapes has no labels.",
        )
    count = len(part.frames)
    source = f"{part.title} {part.split}, {count} frame{'s' if count > 1 else ''}"
    return Calibration(LEVELS, np.quantile(values, LEVELS), source)
