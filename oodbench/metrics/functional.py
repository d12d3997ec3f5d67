"""Functions that compute a metric from scores and labels in one call.

Each function takes one array, or a list with one array per frame. The pixels of all frames count together:

    scores: float32 [...], any shape, higher = more anomalous. Another type is accepted if every score is exactly
        representable in float32, since the metrics compare scores in float32; otherwise it is an error.
    labels: bool or integers of the same shape: 0 in-distribution, 1 anomaly, 255 void. Void pixels are not counted.

The results are exact, including ties, and do not depend on the order of pixels or frames. An undefined metric is NaN,
and an `UndefinedMetricWarning` states the reason. The functions follow the protocol (set of rules) `pooled`. For other
protocols, curves, intervals or several metrics of the same pixels, see `make_evaluation` and `PixelCounts`.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oodbench.contracts import COMPONENT_METRICS, ComponentSizes
from oodbench.errors import ScoreError, UsageError
from oodbench.metrics.components import ComponentCounts
from oodbench.metrics.counting.counts import PixelCounts
from oodbench.metrics.pixels import PixelMetrics, pixel_metrics
from oodbench.metrics.protocols import POOLED
from oodbench.types import ANOMALY, IN_DISTRIBUTION, VOID, AnomalyLabels, ScoreMap

Arrays: TypeAlias = ArrayLike | Sequence[ArrayLike]
"""One array, or a list or tuple of arrays with one per frame."""

_SIZES = ComponentSizes()


class UndefinedMetricWarning(UserWarning):
    """Warning that a metric is undefined for the given labels, so that the function returns NaN.

    Examples:
        >>> import warnings
        >>> import numpy as np
        >>> from oodbench.metrics import UndefinedMetricWarning, auroc
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     value = auroc(np.float32([0.1, 0.2]), np.array([0, 0]))
        >>> value, caught[0].category is UndefinedMetricWarning
        (nan, True)
    """


def average_precision(scores: Arrays, labels: Arrays) -> float:
    """Compute the average precision (AP), the area under the precision-recall curve as a step function.

    Let s_1 > s_2 > ... be the distinct scores. P_j and R_j are the precision and the recall if the pixels that score at
    least s_j are predicted as anomalous, and R_0 = 0:

        AP = sum_j (R_j - R_{j-1}) P_j

    AP equals scikit-learn's `average_precision_score` (Pedregosa et al., "Scikit-learn", JMLR 2011). It is not the area
    under straight lines between the points, which is too optimistic, and not the 11-point interpolation of Pascal VOC.
    For random scores, AP is the share of anomalous pixels. AP on benchmarks with different shares is not comparable.

    Memory: 2 bytes per in-distribution pixel and 4 bytes per anomalous pixel. A frame whose scores are all exact in
    float16 (their dtype may be float32) needs no memory per pixel; all such frames together take 8 MiB.

    Args:
        scores: float32 [...], or a list of such arrays, one per frame; higher = more anomalous.
        labels: bool or integers of the same shapes: 0 in-distribution, 1 anomaly, 255 void (not counted).

    Returns:
        AP in [0, 1]; NaN with an `UndefinedMetricWarning` if no pixel is anomalous.

    Raises:
        ScoreError: The shapes differ, the score of a pixel that is not void is NaN or not representable in float32, or
            a label is none of 0, 1 and 255.

    Examples:
        >>> import numpy as np
        >>> from oodbench.metrics import average_precision
        >>> scores = np.array([[0.1, 0.4], [0.35, 0.8]], np.float32)
        >>> labels = np.array([[0, 0], [1, 1]], np.uint8)
        >>> round(average_precision(scores, labels), 4)
        0.8333
        >>> round(average_precision([scores, scores - 1], [labels, labels]), 4)  # two frames, one pool
        0.7095
    """
    return _defined_or_nan(*_pixel_metric(_measure(scores, labels), 0))


def fpr_at_tpr(scores: Arrays, labels: Arrays, tpr: float = 0.95) -> float:
    """Compute the false positive rate at the highest threshold that reaches a true positive rate.

    There are P anomalous and N in-distribution pixels. Let s_1 > s_2 > ... be the distinct scores of the anomalous
    pixels. TP_j and FP_j are the numbers of anomalous and in-distribution pixels that score at least s_j:

        FPR@t = FP_j / N    at the first j with TP_j / P >= t

    With t = 0.95, this is FPR95 as the Fishyscapes benchmark computes it (Blum et al., "The Fishyscapes Benchmark",
    IJCV 2021). Some evaluators interpolate FPR95, or read it at the recall nearest to 0.95. For their rules, use the
    protocols `interpolated-fpr` and `pebal` of `oodbench.metrics.PROTOCOLS`. The threshold depends on the labels, so it
    can't be used in deployment.

    Memory: 2 bytes per in-distribution pixel and 4 bytes per anomalous pixel. A frame whose scores are all exact in
    float16 (their dtype may be float32) needs no memory per pixel; all such frames together take 8 MiB.

    Args:
        scores: float32 [...], or a list of such arrays, one per frame; higher = more anomalous.
        labels: bool or integers of the same shapes: 0 in-distribution, 1 anomaly, 255 void (not counted).
        tpr: The true positive rate to reach, above 0 and at most 1.

    Returns:
        The false positive rate in [0, 1], lower is better; NaN with an `UndefinedMetricWarning` if pixels of one kind
        are missing.

    Raises:
        ScoreError: The shapes differ, the score of a pixel that is not void is NaN or not representable in float32, or
            a label is none of 0, 1 and 255.
        UsageError: `tpr` is out of range.

    Examples:
        >>> import numpy as np
        >>> from oodbench.metrics import fpr_at_tpr
        >>> scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4], np.float32)
        >>> labels = np.array([1, 1, 0, 1, 0, 0])
        >>> round(fpr_at_tpr(scores, labels), 4)
        0.3333
        >>> fpr_at_tpr(scores, labels, tpr=0.5)
        0.0
    """
    if not 0 < tpr <= 1:
        raise UsageError(f"a true positive rate of {tpr}; expected above 0 and at most 1", "For 95 % use tpr=0.95.")
    return _defined_or_nan(*_pixel_metric(_measure(scores, labels, tpr), 1))


def auroc(scores: Arrays, labels: Arrays) -> float:
    """Compute the area under the ROC curve (AUROC).

    There are P anomalous and N in-distribution pixels. AUROC is the share of the P N pairs of an anomalous pixel a and
    an in-distribution pixel b in which a has the higher score s; pairs with equal scores count half:

        AUROC = (#{s_a > s_b} + #{s_a = s_b} / 2) / (P N)

    AUROC equals scikit-learn's `roc_auc_score`. It does not measure the precision of detections: if one pixel in a
    thousand is anomalous, an AUROC of 0.99 is possible with an average precision below 0.1.

    Memory: 2 bytes per in-distribution pixel and 4 bytes per anomalous pixel. A frame whose scores are all exact in
    float16 (their dtype may be float32) needs no memory per pixel; all such frames together take 8 MiB.

    Args:
        scores: float32 [...], or a list of such arrays, one per frame; higher = more anomalous.
        labels: bool or integers of the same shapes: 0 in-distribution, 1 anomaly, 255 void (not counted).

    Returns:
        AUROC in [0, 1], 0.5 for random scores; NaN with an `UndefinedMetricWarning` if pixels of one kind are missing.

    Raises:
        ScoreError: The shapes differ, the score of a pixel that is not void is NaN or not representable in float32, or
            a label is none of 0, 1 and 255.

    Examples:
        >>> import numpy as np
        >>> from oodbench.metrics import auroc
        >>> auroc(np.array([0.1, 0.4, 0.35, 0.8], np.float32), np.array([False, False, True, True]))
        0.75
        >>> auroc(np.array([0.1, 0.4, 0.35, 0.8], np.float32), np.array([0, 255, 1, 1]))  # 255 is void
        1.0
    """
    return _defined_or_nan(*_pixel_metric(_measure(scores, labels), 2))


def best_f1(scores: Arrays, labels: Arrays) -> float:
    """Compute the largest F1 of pixels over all thresholds.

    There are P anomalous pixels. Let s_1 > s_2 > ... be the distinct scores. TP_j and FP_j are the numbers of anomalous
    and in-distribution pixels that score at least s_j:

        best F1 = max_j 2 TP_j / (TP_j + FP_j + P)

    This is the `F1` of pixels of SegmentMeIfYouCan (Chan et al., "SegmentMeIfYouCan", NeurIPS 2021), except that all
    distinct scores are thresholds, instead of the edges of bins. A deployed detector does not reach this F1, because
    its threshold is not chosen with the labels. For the F1 of objects, use `component_f1`.

    Memory: 2 bytes per in-distribution pixel and 4 bytes per anomalous pixel. A frame whose scores are all exact in
    float16 (their dtype may be float32) needs no memory per pixel; all such frames together take 8 MiB.

    Args:
        scores: float32 [...], or a list of such arrays, one per frame; higher = more anomalous.
        labels: bool or integers of the same shapes: 0 in-distribution, 1 anomaly, 255 void (not counted).

    Returns:
        F1 in [0, 1]; NaN with an `UndefinedMetricWarning` if no pixel is anomalous.

    Raises:
        ScoreError: The shapes differ, the score of a pixel that is not void is NaN or not representable in float32, or
            a label is none of 0, 1 and 255.

    Examples:
        >>> import numpy as np
        >>> from oodbench.metrics import best_f1
        >>> round(best_f1(np.array([0.1, 0.4, 0.35, 0.8], np.float32), np.array([0, 0, 1, 1])), 4)
        0.8
    """
    metrics = _measure(scores, labels)
    _, _, reason = _pixel_metric(metrics, 0)  # undefined if AP is
    return _defined_or_nan("best F1", metrics.best_f1, reason)


def component_f1(
    scores: Arrays,
    labels: Arrays,
    threshold: float | None = None,
    smallest_object: int = _SIZES.object,
    smallest_prediction: int = _SIZES.prediction,
) -> float:
    """Compute F1*, the F1 of whole objects: the mean of F1 over several thresholds for the overlap of a detection.

    Pixels that score at least the threshold are predicted as anomalous. Objects are the 8-connected regions of labelled
    anomalous pixels, and predictions are the 8-connected regions of predicted pixels. They are compared by the rules of
    SegmentMeIfYouCan (Chan et al., NeurIPS 2021). The sIoU of an object is its intersection over union with all
    predictions that touch it; pixels of these predictions in other objects are not counted. The PPV of a prediction is
    the share of its pixels that are in any object. At an overlap t, TP objects have sIoU >= t, FN objects have
    sIoU < t, and FP predictions have PPV < t:

        F1(t) = 2 TP / (2 TP + FN + FP),    F1* = mean of F1(t) over t = 0.25, 0.30, ..., 0.75

    The leaderboard's F1* differs slightly: it rounds scores to float16, its threshold is the edge of a bin, and only
    pixels that score higher than the threshold are predicted. For its rules, use the protocol `smiyc` of
    `oodbench.metrics.PROTOCOLS`.

    Memory: 1 byte per pixel of one frame and 16 bytes per region. If `threshold` is None, the memory of `best_f1` is
    needed, too.

    Args:
        scores: float32 [H, W], or a list of such maps, one per frame; higher = more anomalous.
        labels: bool or integers of the same shapes: 0 in-distribution, 1 anomaly, 255 void (never predicted).
        threshold: Pixels that score at least this are predicted. None: the threshold of the best F1 of pixels, which
            depends on the labels.
        smallest_object: Minimum number of pixels of an object; smaller objects become void.
        smallest_prediction: Minimum number of pixels of a prediction; smaller predictions are dropped.

    Returns:
        F1* in [0, 1]; NaN with an `UndefinedMetricWarning` if there are neither objects nor predictions, or if
        `threshold` is None and no pixel is anomalous.

    Raises:
        ScoreError: A frame is not two-dimensional, or the shapes differ; the score of a pixel that is not void is NaN
            or not representable in float32; or a label is none of 0, 1 and 255.

    Examples:
        >>> import numpy as np
        >>> from oodbench.metrics import component_f1
        >>> labels = np.zeros((40, 60), np.uint8)
        >>> labels[5:15, 5:25] = 1  # found
        >>> labels[20:30, 35:55] = 1  # missed
        >>> scores = np.zeros((40, 60), np.float32)
        >>> scores[5:15, 5:25] = 1
        >>> round(component_f1(scores, labels, smallest_prediction=50), 4)
        0.6667
    """
    frames = _pair_frames(scores, labels)
    for score, _ in frames:
        if score.ndim != 2:
            raise ScoreError(
                f"a score map of shape {score.shape}; expected [H, W], or a list of those",
                "Pass one map per frame, without a batch or channel axis.",
            )
    _, _, f1 = COMPONENT_METRICS
    if threshold is None:
        metrics = _count(frames, POOLED.tpr)
        if not metrics.counts["anomaly_pixels"]:
            reason = "no anomalous pixel among the valid ones, so the best F1 has no threshold"
            return _defined_or_nan(f1, math.nan, reason)
        threshold = metrics.best_f1_threshold
    counts = ComponentCounts(ComponentSizes(prediction=smallest_prediction, object=smallest_object))
    for score, anomaly in frames:
        counts.update(score >= np.float64(threshold), anomaly)
    components = counts.metrics()
    return _defined_or_nan(f1, components.values[f1], components.undefined.get(f1))


def _measure(scores: Arrays, labels: Arrays, tpr: float = POOLED.tpr) -> PixelMetrics:
    return _count(_pair_frames(scores, labels), tpr)


def _count(frames: Sequence[tuple[ScoreMap, AnomalyLabels]], tpr: float) -> PixelMetrics:
    counts = PixelCounts()
    for score, anomaly in frames:
        counts.update(score, anomaly)
    return pixel_metrics(counts, replace(POOLED, tpr=tpr))


def _pixel_metric(metrics: PixelMetrics, index: int) -> tuple[str, float, str | None]:
    """Return the name, the value and the reason for being undefined of AP (0), FPR (1) or AUROC (2)."""
    name = list(metrics.values)[index]
    return name, metrics.values[name], metrics.undefined.get(name)


def _defined_or_nan(name: str, value: float, reason: str | None) -> float:
    """Return the value. If there is a reason, it is NaN, and the caller of the public function is warned."""
    if reason is not None:
        warnings.warn(f"{name} is undefined: {reason}; returning NaN", UndefinedMetricWarning, stacklevel=3)
    return value


def _pair_frames(scores: Arrays, labels: Arrays) -> list[tuple[ScoreMap, AnomalyLabels]]:
    score_frames, label_frames = _split_frames(scores), _split_frames(labels)
    if len(score_frames) != len(label_frames):
        raise ScoreError(
            f"{len(score_frames)} frames of scores and {len(label_frames)} of labels; expected the same number",
            "Pass one array each, or a list with one array per frame each.",
        )
    return [_pair(score, label) for score, label in zip(score_frames, label_frames, strict=True)]


def _split_frames(arrays: Arrays) -> list[NDArray[np.generic]]:
    if isinstance(arrays, list | tuple) and (not arrays or np.ndim(arrays[0]) > 0):
        return [np.asarray(array) for array in arrays]
    return [np.asarray(arrays)]


def _pair(score: NDArray[np.generic], label: NDArray[np.generic]) -> tuple[ScoreMap, AnomalyLabels]:
    if score.shape != label.shape:
        raise ScoreError(
            f"the scores are {score.shape} and their labels are {label.shape}; expected the same",
            "Pass scores and labels of the same pixels.",
        )
    valid = np.isin(label, (IN_DISTRIBUTION, ANOMALY, VOID))
    if not valid.all():
        raise ScoreError(
            f"the labels hold the value {label[~valid].flat[0]}; expected 0 (in-distribution), 1 (anomaly), 255 (void)",
            "Map other values first. The benchmark defines whether they are anomalies or void.",
        )
    values = label.astype(np.uint8)
    return _to_float32(score, values != VOID), AnomalyLabels(values)


def _to_float32(score: NDArray[np.generic], valid: NDArray[np.bool_]) -> ScoreMap:
    """Convert the scores to float32 without loss.

    Raises:
        ScoreError: The conversion changes a valid score.
    """
    if score.dtype == np.float32:
        return score.astype(np.float32, copy=False)
    if not (np.issubdtype(score.dtype, np.number) or score.dtype == np.bool_) or np.iscomplexobj(score):
        raise ScoreError(f"the scores are {score.dtype}; expected float32", "Pass one real number per pixel.")
    with np.errstate(over="ignore"):
        single = score.astype(np.float32)
    changed = valid & (single != score) & ~np.isnan(single)
    if changed.any():
        lost, total = np.count_nonzero(changed), np.count_nonzero(valid)
        raise ScoreError(
            f"the scores are {score.dtype}, and {lost} of {total} valid ones are "
            "not representable in float32, in which metrics compare scores",
            "Use scores.astype(numpy.float32) if the ties that rounding may cause are acceptable.",
        )
    return single
