"""Closed-set quality: segmentation accuracy on known classes, and calibration of the confidence."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oodbench.types import VOID, ClassMap, SemanticLabels

CONFIDENCE_BINS = 15


class ConfusionMatrix:
    """Numbers of labelled pixels per pair of true class and predicted class, counted frame by frame.

    Args:
        classes: C, the number of classes.

    Attributes:
        counts: int64 [C, C], pixels by true class (rows) and predicted class (columns).

    Examples:
        >>> import numpy as np
        >>> from oodbench.metrics import ConfusionMatrix
        >>> from oodbench.types import CITYSCAPES_19, SemanticLabels
        >>> matrix = ConfusionMatrix(classes=19)
        >>> labels = SemanticLabels(np.array([[0, 0, 1, 255]], np.uint8), CITYSCAPES_19)
        >>> matrix.update(np.array([[0, 1, 1, 5]], np.uint8), labels)
        >>> matrix.miou(), round(matrix.accuracy(), 4)
        (0.5, 0.6667)
    """

    def __init__(self, classes: int) -> None:
        self.counts = np.zeros((classes, classes), np.int64)

    def update(self, prediction: ClassMap, labels: SemanticLabels) -> None:
        """Count one frame.

        Args:
            prediction: uint8 [H, W], predicted classes.
            labels: Labels of the same shape; void pixels (255) are not counted.
        """
        valid = labels.values != VOID
        classes = len(self.counts)
        joint = labels.values[valid].astype(np.int64) * classes + prediction[valid]
        self.counts += np.bincount(joint, minlength=classes * classes).reshape(classes, classes)

    def iou(self) -> NDArray[np.float64]:
        """Return the intersection over union per class, float64 [C]; NaN if a class is in no label or prediction."""
        right = np.diag(self.counts)
        union = self.counts.sum(axis=0) + self.counts.sum(axis=1) - right
        iou = np.full(len(right), np.nan)
        np.divide(right, union, out=iou, where=union > 0)
        return iou

    def miou(self) -> float:
        """Return the mean intersection over union of the classes in labels or predictions; NaN without pixels."""
        iou = self.iou()
        present = iou[~np.isnan(iou)]
        return float(present.mean()) if present.size else float("nan")

    def accuracy(self) -> float:
        """Return the share of labelled pixels whose class is predicted correctly; NaN without pixels."""
        pixels = int(self.counts.sum())
        return float(np.trace(self.counts) / pixels) if pixels else float("nan")


class Reliability:
    """Confidence and accuracy of labelled pixels, counted frame by frame in bins of confidence of equal width.

    The confidence is the largest posterior of a pixel. Bin b has n_b of the N pixels, with mean confidence c_b, and the
    class is predicted correctly for a share a_b of them. The expected calibration error (ECE) is

        ECE = sum_b n_b / N  |a_b - c_b|

    A bin contains its upper edge. The ECE is from Naeini, Cooper, Hauskrecht, "Obtaining Well Calibrated Probabilities
    Using Bayesian Binning", AAAI 2015. The default of 15 bins is from Guo, Pleiss, Sun, Weinberger, "On Calibration of
    Modern Neural Networks", ICML 2017.

    Args:
        bins: B, the number of bins.

    Attributes:
        pixels: int64 [B], labelled pixels per bin.
        right: int64 [B], pixels per bin whose class is predicted correctly.
        confidence: float64 [B], sum of the confidence over the pixels of each bin.

    Examples:
        >>> import numpy as np
        >>> from oodbench.metrics import Reliability
        >>> from oodbench.types import CITYSCAPES_19, SemanticLabels
        >>> reliability = Reliability()
        >>> labels = SemanticLabels(np.array([[0, 0]], np.uint8), CITYSCAPES_19)
        >>> reliability.update(np.float32([[0.75, 0.75]]), np.array([[0, 1]], np.uint8), labels)
        >>> reliability.expected_calibration_error(), reliability.mean_confidence()
        (0.25, 0.75)
    """

    def __init__(self, bins: int = CONFIDENCE_BINS) -> None:
        self.pixels = np.zeros(bins, np.int64)
        self.right = np.zeros(bins, np.int64)
        self.confidence = np.zeros(bins, np.float64)

    def update(self, confidence: NDArray[np.float32], prediction: ClassMap, labels: SemanticLabels) -> None:
        """Count one frame.

        Args:
            confidence: float32 [H, W], the largest posterior, in (0, 1].
            prediction: uint8 [H, W], the class of the largest posterior.
            labels: Labels of the same shape; void pixels (255) are not counted.
        """
        valid = labels.values != VOID
        values = confidence[valid].astype(np.float64)
        bins = len(self.pixels)
        # The products are exact in float64. A NaN stays NaN in the sums, whichever bin it is counted in.
        index = np.ceil(np.nan_to_num(values) * bins).astype(np.int64) - 1
        index = np.clip(index, 0, bins - 1)
        self.pixels += np.bincount(index, minlength=bins)
        self.right += np.bincount(index[prediction[valid] == labels.values[valid]], minlength=bins)
        self.confidence += np.bincount(index, values, bins)

    def expected_calibration_error(self) -> float:
        """Return the expected calibration error as a fraction; NaN without pixels."""
        total = int(self.pixels.sum())
        return float(np.abs(self.right - self.confidence).sum() / total) if total else float("nan")

    def mean_confidence(self) -> float:
        """Return the mean of the largest posterior; NaN without pixels."""
        total = int(self.pixels.sum())
        return float(self.confidence.sum() / total) if total else float("nan")
