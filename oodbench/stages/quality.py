"""Closed-set quality of a network on in-distribution frames, compared with the values on its card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from oodbench.contracts import Expected, Needs, Segmenter
from oodbench.metrics import ConfusionMatrix, Reliability
from oodbench.numerics import summarise
from oodbench.progress import Progress
from oodbench.stages.batching import forward_batches, split_batches
from oodbench.types import ClassSet, Frame, SegmenterOutput, SemanticLabels

# Largest difference to the card without a warning. On few frames, mIoU varies by several points.
_MIOU_TOLERANCE = 0.2
_CONFIDENCE_TOLERANCE = 0.1


class ClosedSetQuality:
    """Closed-set quality of a network, accumulated batch by batch.

    Confidence is the largest posterior. For logits it is the largest softmax, otherwise the largest class map divided
    by the sum over the classes. Log-densities of a generative head count as logits: their softmax is the posterior
    under equal class priors.

    Args:
        classes: The network's classes.
    """

    def __init__(self, classes: ClassSet) -> None:
        self._classes = classes
        self._confusion = ConfusionMatrix(len(classes))
        self._reliability = Reliability()
        self._frames = 0

    def update(self, output: SegmenterOutput, labels: Sequence[SemanticLabels]) -> None:
        """Count a batch; class maps are resized to the labels' resolution."""
        if output.class_maps is None:
            return
        for maps, label in zip(output.class_maps.values, labels, strict=True):
            summary = summarise(maps, label.values.shape, kind=output.class_maps.kind)
            prediction = summary.prediction.cpu().numpy()
            self._confusion.update(prediction, label)
            self._reliability.update((1 / (1 + summary.others)).cpu().numpy(), prediction, label)
            self._frames += 1

    def result(self) -> dict[str, Any]:
        """Return miou, accuracy, ece, mean_confidence and iou per class, and the numbers of frames and pixels.

        The values are fractions, or None if undefined.
        """
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
    """Return a warning for each value that differs much from the network's card.

    Such a difference reveals wrong preprocessing. For example, a missing division by 255 halves AP without any error.
    """
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
    """Measure a network's closed-set quality on labelled frames, without a run."""
    quality = ClosedSetQuality(network.classes)
    with progress.track(f"measure {network.name}", len(frames), "frames") as advance:
        batches = split_batches(len(frames), 1)
        for batch in forward_batches(network, frames, batches, Needs(class_maps=True), labelled=True):
            quality.update(batch.output, batch.labels)
            advance(len(batch.positions))
    return quality.result()
