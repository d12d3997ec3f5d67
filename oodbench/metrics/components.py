"""SegmentMeIfYouCan's component metrics, which measure the detection of whole objects: sIoU, PPV and F1*.

Chan, Lis, Uhlemeyer et al., "SegmentMeIfYouCan", NeurIPS 2021, as its evaluator computes them since September 2021.
Pixels that score above a threshold are predicted; void pixels never are. Components are 8-connected. Predicted
components that are too small are dropped; objects that are too small become void. Then, with n the number of pixels:

    sIoU(object k)    = n(k and K) / (n(k) + n(K) - n(k and K) - n(K in other objects)),  K: predictions that touch k
    PPV(prediction l) = n(l in any object) / n(l)
    F1(t)             = 2 TP / (2 TP + FN + FP),  TP, FN: objects with sIoU >= t, < t;  FP: predictions with PPV < t
    F1*               = the mean of F1 over t = 0.25, 0.30, ..., 0.75

sIoU and PPV are means over all objects and all predictions of the set, not over frames.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oodbench.contracts import COMPONENT_METRICS, ComponentSizes, Protocol
from oodbench.metrics.evaluation import apply_protocol
from oodbench.metrics.pixels import Source
from oodbench.regions import number_objects, number_regions
from oodbench.types import ANOMALY, VOID, AnomalyLabels

TAUS = np.linspace(0.25, 0.75, 11)
"""The evaluator's floats: its 0.6 is slightly above 0.6, so a ratio of exactly 0.6 is a miss."""


@dataclass(frozen=True)
class FrameComponents:
    """The objects and the predicted components (8-connected regions of pixels) of one frame.

    Attributes:
        object_sizes: int64 [K], pixels of each object; objects are ordered by their first pixel, row by row.
        siou: float64 [K], sIoU of each object.
        prediction_sizes: int64 [L], pixels of each predicted component without its void pixels; components are ordered
            by their first pixel, too.
        ppv: float64 [L], PPV of each predicted component.
    """

    object_sizes: NDArray[np.int64]
    siou: NDArray[np.float64]
    prediction_sizes: NDArray[np.int64]
    ppv: NDArray[np.float64]


@dataclass(frozen=True)
class ComponentMetrics:
    """SegmentMeIfYouCan's metrics of whole objects for a set of frames, as fractions; NaN if undefined.

    Objects and predicted components are 8-connected regions of labelled and of predicted anomalous pixels. sIoU is an
    object's overlap with the predictions. PPV is the share of a predicted component that is inside objects. F1* is the
    mean of `f1`. The overlaps t are 0.25, 0.30, ..., 0.75.

    Attributes:
        values: Maps `sIoU`, `PPV` (means over all objects and all predicted components) and `F1*` to their values.
        undefined: Maps each undefined metric to the reason.
        objects: Number of counted objects.
        predictions: Number of counted predicted components.
        tp: int64 [11], for each overlap t the found objects, with sIoU >= t.
        fn: int64 [11], for each overlap t the missed objects, with sIoU < t.
        fp: int64 [11], for each overlap t the wrong predicted components, with PPV < t.
        f1: float64 [11], F1 at each overlap: 2 tp / (2 tp + fn + fp).

    Examples:
        >>> import numpy as np
        >>> from oodbench.contracts import ComponentSizes
        >>> from oodbench.metrics import ComponentCounts
        >>> from oodbench.types import AnomalyLabels
        >>> labels = np.zeros((8, 8), np.uint8)
        >>> labels[1:3, 1:3] = 1
        >>> counts = ComponentCounts(ComponentSizes(prediction=1, object=1))
        >>> counts.update(labels == 1, AnomalyLabels(labels))
        >>> metrics = counts.metrics()
        >>> metrics.values["F1*"], metrics.objects, metrics.predictions
        (1.0, 1, 1)
    """

    values: Mapping[str, float]
    undefined: Mapping[str, str]
    objects: int
    predictions: int
    tp: NDArray[np.int64]
    fn: NDArray[np.int64]
    fp: NDArray[np.int64]
    f1: NDArray[np.float64]


def frame_components(predicted: NDArray[np.bool_], labels: AnomalyLabels, sizes: ComponentSizes) -> FrameComponents:
    """Match the predicted components of a frame with its objects, by the rules of SegmentMeIfYouCan.

    Components are 8-connected regions of predicted pixels, and objects are those of labelled anomalous pixels.

    Args:
        predicted: bool [H, W], the pixels that are predicted as anomalous.
        labels: Labels of the same shape; void pixels are never predicted.
        sizes: The minimum sizes; smaller predicted components are dropped, and smaller objects become void.

    Returns:
        The size and the sIoU (overlap with the predictions) of each object, and the size and the PPV (share inside
        objects) of each predicted component.

    Examples:
        >>> import numpy as np
        >>> from oodbench.contracts import ComponentSizes
        >>> from oodbench.metrics import frame_components
        >>> from oodbench.types import AnomalyLabels
        >>> labels = np.zeros((8, 8), np.uint8)
        >>> labels[1:3, 1:5] = 1
        >>> predicted = np.zeros((8, 8), bool)
        >>> predicted[1:3, 1:3] = True  # half of the object
        >>> frame = frame_components(predicted, AnomalyLabels(labels), ComponentSizes(prediction=1, object=1))
        >>> frame.siou.tolist(), frame.ppv.tolist()
        ([0.5], [1.0])
    """
    objects = _drop_small(number_objects(labels), sizes.object)
    predictions = _drop_small(number_regions(predicted & (labels.values != VOID)), sizes.prediction)
    # Objects that are too small are void: predictions lose their pixels there, after their size has been checked.
    predictions[(labels.values == ANOMALY) & (objects == 0)] = 0
    object_sizes, prediction_sizes = (np.bincount(part.ravel())[1:] for part in (objects, predictions))

    both = (objects > 0) & (predictions > 0)
    pair = (objects[both].astype(np.int64) - 1) * prediction_sizes.size + predictions[both] - 1
    pair, shared = np.unique(pair, return_counts=True)
    touched, hit = np.divmod(pair, max(prediction_sizes.size, 1))  # object and prediction of each overlapping pair
    inside = _sum_by(hit, shared, prediction_sizes.size)  # pixels of each prediction in any object
    common = _sum_by(touched, shared, object_sizes.size)
    touching = _sum_by(touched, prediction_sizes[hit], object_sizes.size)
    elsewhere = _sum_by(touched, inside[hit] - shared, object_sizes.size)
    return FrameComponents(
        object_sizes,
        common / (object_sizes + touching - common - elsewhere),
        prediction_sizes,
        inside / prediction_sizes,
    )


def _drop_small(regions: NDArray[np.int32], smallest: int) -> NDArray[np.int32]:
    """Return the components of at least `smallest` pixels, int32 [H, W], numbered from 1 row by row; 0 elsewhere."""
    kept = np.bincount(regions.ravel()) >= smallest
    kept[0] = False
    return np.where(kept, np.cumsum(kept), 0).astype(np.int32)[regions]


def _sum_by(index: NDArray[np.int64], amount: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Return the sum of the amounts at each index."""
    return np.bincount(index, amount, size).astype(np.int64)  # sums of pixels: exact in float64


class ComponentCounts:
    """Objects and predicted components of a set of frames, counted frame by frame for metrics of whole objects.

    Components are 8-connected regions of predicted pixels, and objects are those of labelled anomalous pixels. Parts of
    the frames can be counted separately and merged in any order; the metrics are the same.

    Args:
        sizes: The minimum sizes; smaller predicted components are dropped, and smaller objects become void.

    Attributes:
        sizes: The minimum sizes, as passed.

    Examples:
        >>> import numpy as np
        >>> from oodbench.contracts import ComponentSizes
        >>> from oodbench.metrics import ComponentCounts
        >>> from oodbench.types import AnomalyLabels
        >>> labels = np.zeros((8, 8), np.uint8)
        >>> labels[1:3, 1:3] = 1
        >>> counts = ComponentCounts(ComponentSizes(prediction=1, object=1))
        >>> counts.update(np.zeros((8, 8), bool), AnomalyLabels(labels))  # nothing is predicted
        >>> counts.metrics().values["sIoU"], counts.metrics().undefined
        (0.0, {'PPV': 'no predicted component of 1 pixels or more'})
    """

    def __init__(self, sizes: ComponentSizes) -> None:
        self.sizes = sizes
        self._frames: list[FrameComponents] = []

    def update(self, predicted: NDArray[np.bool_], labels: AnomalyLabels) -> None:
        """Count one frame.

        Args:
            predicted: bool [H, W], the pixels that are predicted as anomalous.
            labels: Labels of the same shape.
        """
        self.add(frame_components(predicted, labels, self.sizes))

    def add(self, frame: FrameComponents) -> None:
        """Count one frame whose components are matched already.

        Args:
            frame: The output of `frame_components` with the same minimum sizes.
        """
        self._frames.append(frame)

    def merge(self, others: Iterable[ComponentCounts]) -> None:
        """Add the counts of other `ComponentCounts`, for example of other processes.

        Args:
            others: Counts of other frames, with the same minimum sizes.
        """
        for other in others:
            self._frames += other._frames

    def metrics(self) -> ComponentMetrics:
        """Compute the metrics of all frames so far."""
        siou, ppv = (
            np.concatenate([np.empty(0), *(getattr(frame, name) for frame in self._frames)]) for name in ("siou", "ppv")
        )
        tp = (siou >= TAUS[:, None]).sum(axis=1)
        fn, fp = siou.size - tp, (ppv < TAUS[:, None]).sum(axis=1)
        total = 2 * tp + fn + fp
        f1 = np.divide(2 * tp, total, out=np.full(TAUS.size, math.nan), where=total > 0)
        siou_name, ppv_name, f1_name = COMPONENT_METRICS
        undefined = {}
        if not siou.size:
            undefined[siou_name] = f"no object of {self.sizes.object} pixels or more"
        if not ppv.size:
            undefined[ppv_name] = f"no predicted component of {self.sizes.prediction} pixels or more"
        if not siou.size + ppv.size:
            undefined[f1_name] = "no component in the labels or in the predictions"
        means = {siou_name: _mean(siou), ppv_name: _mean(ppv), f1_name: _mean(f1)}
        return ComponentMetrics(means, undefined, siou.size, ppv.size, tp, fn, fp, f1)


def _mean(values: NDArray[np.float64]) -> float:
    """Return the mean, bit-identical in any order; NaN without values."""
    return math.fsum(values) / values.size if values.size else math.nan


def component_metrics(
    read: Source, protocol: Protocol, sizes: ComponentSizes, thresholds: Mapping[str, float]
) -> dict[str, ComponentMetrics]:
    """Compute the metrics of whole objects (sIoU, PPV, F1*) at several thresholds, in one pass over the frames.

    Args:
        read: Function that returns the frames: pairs of scores, float32 [H, W], and labels of the same shape.
        protocol: The protocol, a set of rules of evaluation. Its number format of scores and its treatment of void
            pixels apply.
        sizes: The minimum sizes; smaller predicted components are dropped, and smaller objects become void.
        thresholds: Maps a name to a threshold. A pixel is predicted if its score is higher, compared in float64.
            SegmentMeIfYouCan uses the threshold of the best F1 of pixels (`PixelMetrics.best_f1_threshold`), which
            depends on the labels.

    Returns:
        Maps each name to the metrics at its threshold.

    Examples:
        >>> import numpy as np
        >>> from oodbench.contracts import ComponentSizes
        >>> from oodbench.metrics import PROTOCOLS, component_metrics
        >>> from oodbench.types import AnomalyLabels
        >>> labels = np.zeros((8, 8), np.uint8)
        >>> labels[1:3, 1:3] = 1
        >>> frames = [(labels.astype(np.float32), AnomalyLabels(labels))]
        >>> metrics = component_metrics(
        ...     lambda: frames, PROTOCOLS["smiyc"], ComponentSizes(prediction=1, object=1), {"half": 0.5, "none": 1.0}
        ... )
        >>> {name: of_threshold.values["sIoU"] for name, of_threshold in metrics.items()}
        {'half': 1.0, 'none': 0.0}
    """
    counts = {name: ComponentCounts(sizes) for name in thresholds}
    for frame in read():
        score, labels = apply_protocol(protocol, *frame)
        for name, threshold in thresholds.items():
            counts[name].update(score > np.float64(threshold), labels)
    return {name: components.metrics() for name, components in counts.items()}
