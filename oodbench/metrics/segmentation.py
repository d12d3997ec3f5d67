"""Closed-set quality: how well the network segments what it knows."""

from __future__ import annotations

import numpy as np

from oodbench.types import VOID, ClassMap, SemanticLabels


class ConfusionMatrix:
    """Counts of (true class, predicted class) over labelled pixels, frame by frame."""

    def __init__(self, classes: int) -> None:
        self.counts = np.zeros((classes, classes), np.int64)

    def update(self, prediction: ClassMap, labels: SemanticLabels) -> None:
        """Take in one frame: both uint8 [H, W]; void pixels don't count."""
        valid = labels.values != VOID
        classes = len(self.counts)
        joint = labels.values[valid].astype(np.int64) * classes + prediction[valid]
        self.counts += np.bincount(joint, minlength=classes * classes).reshape(classes, classes)

    def miou(self) -> float:
        """The mean intersection over union of the classes that occur in labels or predictions; NaN without any."""
        right = np.diag(self.counts)
        union = self.counts.sum(axis=0) + self.counts.sum(axis=1) - right
        present = union > 0
        return float((right[present] / union[present]).mean()) if present.any() else float("nan")
