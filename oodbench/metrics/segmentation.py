"""Closed-set quality: how well the network segments what it knows, and whether its confidence is what it claims."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oodbench.types import VOID, ClassMap, SemanticLabels

CONFIDENCE_BINS = 15


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

    def iou(self) -> NDArray[np.float64]:
        """float64 [C], intersection over union a class; NaN where a class is in neither labels nor predictions."""
        right = np.diag(self.counts)
        union = self.counts.sum(axis=0) + self.counts.sum(axis=1) - right
        iou = np.full(len(right), np.nan)
        np.divide(right, union, out=iou, where=union > 0)
        return iou

    def miou(self) -> float:
        """The mean intersection over union of the classes that occur in labels or predictions; NaN without any."""
        iou = self.iou()
        present = iou[~np.isnan(iou)]
        return float(present.mean()) if present.size else float("nan")

    def accuracy(self) -> float:
        """The share of labelled pixels whose class is predicted; NaN without any."""
        pixels = int(self.counts.sum())
        return float(np.trace(self.counts) / pixels) if pixels else float("nan")


class Reliability:
    """Confidence against accuracy over labelled pixels, frame by frame, in bins of equal width.

    With n_b pixels in bin b, their mean confidence and the share of them that is predicted right, N pixels in all:

        ECE = sum_b n_b / N  |share right_b - mean confidence_b|

    A bin holds its upper edge. Naeini, Cooper, Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian
    Binning", AAAI 2015; 15 bins as Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.
    """

    def __init__(self, bins: int = CONFIDENCE_BINS) -> None:
        self.pixels = np.zeros(bins, np.int64)
        self.right = np.zeros(bins, np.int64)
        self.confidence = np.zeros(bins, np.float64)

    def update(self, confidence: NDArray[np.float32], prediction: ClassMap, labels: SemanticLabels) -> None:
        """Take in one frame: the largest posterior, float32 [H, W] in (0, 1], the class that has it, and labels."""
        valid = labels.values != VOID
        values = confidence[valid].astype(np.float64)
        bins = len(self.pixels)
        # The products are exact in float64. NaN stays NaN in the sums, in whatever bin.
        index = np.ceil(np.nan_to_num(values) * bins).astype(np.int64) - 1
        index = np.clip(index, 0, bins - 1)
        self.pixels += np.bincount(index, minlength=bins)
        self.right += np.bincount(index[prediction[valid] == labels.values[valid]], minlength=bins)
        self.confidence += np.bincount(index, values, bins)

    def expected_calibration_error(self) -> float:
        """ECE as a fraction; NaN without pixels."""
        total = int(self.pixels.sum())
        return float(np.abs(self.right - self.confidence).sum() / total) if total else float("nan")

    def mean_confidence(self) -> float:
        """The mean of the largest posterior; NaN without pixels."""
        total = int(self.pixels.sum())
        return float(self.confidence.sum() / total) if total else float("nan")
