"""The third stage: how each method scores in-distribution pixels on which it was not fitted; and whether the network
segments them as its card says, since a forgotten division by 255 halves AP in silence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from oodbench.contracts import Calibration, Expected, Needs, Scoring, Segmenter
from oodbench.errors import DataError
from oodbench.metrics import ConfusionMatrix, Reliability
from oodbench.numerics import summarise
from oodbench.planning.plan import Plan, combine_needs
from oodbench.planning.records import FrameSetRecord
from oodbench.progress import Progress
from oodbench.stages.apply_methods import add_error_context, score_output
from oodbench.stages.batching import forward_batches, split_batches
from oodbench.storage.local import LocalStore
from oodbench.types import VOID, ClassSet, Frame, SegmenterOutput, SemanticLabels

# Dense toward the top, where thresholds lie: steps of 1e-2, then of 1e-3 from .99 and of 1e-4 from .999.
LEVELS = np.unique(
    np.concatenate([np.linspace(0, 1, 101), np.linspace(0.99, 1, 11)[:-1], np.linspace(0.999, 1, 11)]).round(6)
)
FALSE_ALARM_RATE = 0.05
"""The share of in-distribution pixels above the threshold that is chosen without anomalies."""

# Pixels kept for the quantiles of one scorer, evenly spaced: 16 MB, and 400 beyond the highest level but one.
_PIXELS = 1 << 22

# How far from its card a network may be before it is warned of. Few frames scatter by several points of mIoU.
_MIOU_TOLERANCE = 0.2
_CONFIDENCE_TOLERANCE = 0.1


def calibrate(plan: Plan, store: LocalStore, progress: Progress) -> None:
    """Calibrate what is not calibrated yet."""
    part = plan.record.calibrate
    if part is None:
        progress.warn("no in-distribution frames (--id-data): colour scales come from each benchmark itself")
        return
    frames = [plan.frames[frame.digest] for frame in part.frames]
    scoring = Scoring(**plan.record.scoring)
    source = f"{part.title} {part.split}, {len(frames)} frame{'s' if len(frames) > 1 else ''}"
    per_frame = max(_PIXELS // len(frames), 1)
    for record in plan.record.networks:
        network = plan.networks[record.name]
        mine = [scorer.key for scorer in plan.record.scorers if scorer.network == record.name]
        todo = {key: plan.scorers[key] for key in mine if store.calibration(calibration_key(key, part)) is None}
        quality_file = quality_key(record.digest, part.digest)
        quality = ClosedSetQuality(network.classes) if store.read_json(quality_file) is None else None
        if not todo and quality is None:
            continue
        samples: dict[str, list[np.ndarray]] = {key: [] for key in todo}
        needs = combine_needs(network, todo.values())
        with progress.track(f"calibrate {record.name}", len(frames), "frames") as advance:
            pieces = split_batches(len(frames), plan.record.batch_size)
            for batch in forward_batches(network, frames, pieces, needs, labelled=True):
                sizes = [label.values.shape for label in batch.labels]
                with add_error_context(record.name, [frames[index] for index in batch.positions]):
                    scored, _ = score_output(batch.output, sizes, todo, scoring)
                for frame, label in zip(scored, batch.labels, strict=True):
                    valid = np.flatnonzero(label.values != VOID)
                    valid = valid[:: max(1, -(-valid.size // per_frame))]
                    for key, score in frame.scores.items():
                        samples[key].append(score.ravel()[valid])
                if quality is not None:
                    quality.update(batch.output, batch.labels)
                advance(len(batch.positions))
        for key, parts in samples.items():
            values = np.concatenate(parts)
            if not values.size:
                raise DataError(
                    f"{part.name} {part.split}: all pixels of its frames are void; expected labelled ones",
                    "Check the in-distribution labels: Cityscapes' test split has none.",
                )
            store.write_calibration(
                calibration_key(key, part), Calibration(LEVELS, np.quantile(values, LEVELS), source)
            )
        if quality is not None:
            store.write_json(quality_file, quality.result())


def calibration_key(scorer: str, part: FrameSetRecord) -> str:
    """The file of a scorer's calibration on these frames, in a run's folder."""
    return f"{scorer}-{part.digest[:8]}"


def quality_key(network_digest: str, frames_digest: str) -> str:
    """The file of a network's closed-set quality in a run's folder."""
    return f"quality/{network_digest[:12]}-{frames_digest[:12]}.json"


class ClosedSetQuality:
    """Closed-set quality of a network of these classes, batch by batch.

    Confidence is the largest posterior: of logits, the largest softmax, else the largest map's share in all. Class maps
    that are log-densities, of a generative head, are logits in this sense: their softmax is the posterior under equal
    priors of the classes.
    """

    def __init__(self, classes: ClassSet) -> None:
        self._classes = classes
        self._confusion = ConfusionMatrix(len(classes))
        self._reliability = Reliability()
        self._frames = 0

    def update(self, output: SegmenterOutput, labels: Sequence[SemanticLabels]) -> None:
        """Take in a batch; class maps are brought to the labels' resolution."""
        if output.class_maps is None:
            return
        for maps, label in zip(output.class_maps.values, labels, strict=True):
            summary = summarise(maps, label.values.shape, kind=output.class_maps.kind)
            prediction = summary.prediction.cpu().numpy()
            self._confusion.update(prediction, label)
            self._reliability.update((1 / (1 + summary.others)).cpu().numpy(), prediction, label)
            self._frames += 1

    def result(self) -> dict[str, Any]:
        """Fractions, None where undefined: miou, accuracy, ece, mean_confidence; iou by class; frames, pixels."""
        values = {
            "miou": self._confusion.miou(),
            "accuracy": self._confusion.accuracy(),
            "ece": self._reliability.expected_calibration_error(),
            "mean_confidence": self._reliability.mean_confidence(),
        }
        iou = dict(zip(self._classes.names, self._confusion.iou().tolist(), strict=True))
        return {
            **_nan_to_none(values),
            "iou": _nan_to_none(iou),
            "frames": self._frames,
            "pixels": int(self._confusion.counts.sum()),
        }


def _nan_to_none(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: None if np.isnan(value) else value for name, value in values.items()}


def quality_warnings(name: str, measured: Mapping[str, Any], expected: Expected) -> list[str]:
    """What to say where a network is far from its card."""
    checks = (
        ("miou", "mIoU", expected.miou, _MIOU_TOLERANCE),
        ("mean_confidence", "mean confidence", expected.mean_confidence, _CONFIDENCE_TOLERANCE),
    )
    return [
        f"{name}: {title} on {measured['frames']} in-distribution frames is {value:.3f}, and its card says "
        f"{target:.3f}: check the preprocessing in the model card (scale, mean, channel order, classes)"
        for key, title, target, tolerance in checks
        if (value := measured[key]) is not None and target is not None and abs(value - target) > tolerance
    ]


def measure_quality(network: Segmenter, frames: Sequence[Frame], progress: Progress) -> dict[str, Any]:
    """Closed-set quality on labelled frames, without a run."""
    quality = ClosedSetQuality(network.classes)
    with progress.track(f"measure {network.name}", len(frames), "frames") as advance:
        pieces = split_batches(len(frames), 1)
        for batch in forward_batches(network, frames, pieces, Needs(class_maps=True), labelled=True):
            quality.update(batch.output, batch.labels)
            advance(len(batch.positions))
    return quality.result()
