"""SegmentMeIfYouCan's curve: each frame is counted in bins at the percentiles of its scores, and the bins are merged.

The curve is approximate by design: it deviates by up to 0.006 in AP on small frames, 0.001 on whole ones. The edges are
384 percentiles of the frame's anomalous scores, 384 of its in-distribution scores (fewer if it has fewer pixels), and
two edges outside the extremes. The merged bins are ordered by their lower edge; for repeated edges the last point of
the curve is kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from oodbench.contracts import Protocol
from oodbench.metrics.counting.checks import check_nan
from oodbench.types import ANOMALY, VOID, AnomalyLabels, ScoreMap

_PERCENTILES = 384
# Distance of the outer edges from the extremes; the result does not depend on it.
_BEYOND = 0.01


@dataclass
class PercentileBins:
    """The counts in bins, accumulated frame by frame."""

    _edges: list[NDArray[np.float64]] = field(default_factory=list)
    _true: list[NDArray[np.int64]] = field(default_factory=list)
    _false: list[NDArray[np.int64]] = field(default_factory=list)

    def update(self, score: ScoreMap, labels: AnomalyLabels) -> None:
        """Count one frame."""
        valid = labels.values != VOID
        values = score[valid]
        anomalous = labels.values[valid] == ANOMALY
        check_nan(int(np.isnan(values).sum()), values.size)
        if not values.size:
            return
        parts = (values[anomalous], values[~anomalous])
        beyond = np.array([values.min() - _BEYOND, values.max() + _BEYOND])
        quantiles = [np.quantile(part, np.linspace(0, 1, min(_PERCENTILES, part.size))) for part in parts if part.size]
        edges = np.unique(np.concatenate([beyond, *quantiles]))
        counts = [np.histogram(part, edges)[0][::-1] for part in parts]
        self._edges.append(edges[:-1][::-1])
        self._true.append(counts[0])
        self._false.append(counts[1])

    def values(self, protocol: Protocol) -> dict[str, float]:
        """Return AP, FPR and AUROC as fractions, by name."""
        _, true, false = self._curve()
        if not true[-1] or not false[-1]:
            return dict.fromkeys(protocol.pixel_metrics, math.nan)
        recall, fall_out = true / true[-1], false / false[-1]
        precision = np.divide(true, true + false, out=np.ones_like(true), where=true + false > 0)
        numbers = (
            float(np.sum(np.diff(recall) * precision[1:])),
            float(fall_out[int(np.searchsorted(recall, protocol.tpr))]),
            float(np.trapezoid(recall, fall_out)),
        )
        return dict(zip(protocol.pixel_metrics, numbers, strict=True))

    def best_f1(self) -> tuple[float, float]:
        """Return the largest F1 on the curve and the lower edge of its bin; NaN without anomalies."""
        edges, true, false = self._curve()
        if not true[-1]:
            return math.nan, math.nan
        f1 = 2 * true / (true + false + true[-1])
        best = int(np.argmax(f1))
        return float(f1[best]), float(edges[best])

    def _curve(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return the edges, descending from infinity, and the anomalous and in-distribution pixels at or above each."""
        edges = np.concatenate([np.empty(0), *self._edges])
        order = np.argsort(edges)[::-1]
        true = np.cumsum(np.concatenate([np.empty(0, np.int64), *self._true])[order], dtype=np.float64)
        false = np.cumsum(np.concatenate([np.empty(0, np.int64), *self._false])[order], dtype=np.float64)
        ordered = edges[order]
        last = np.flatnonzero(np.append(ordered[:-1] != ordered[1:], True)) if ordered.size else np.empty(0, np.intp)
        return np.append(np.inf, ordered[last]), np.append(0.0, true[last]), np.append(0.0, false[last])
