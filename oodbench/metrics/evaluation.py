"""Evaluation of labelled scores under any protocol, accumulated frame by frame."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import replace

import numpy as np
from typing_extensions import override

from oodbench.contracts import Protocol
from oodbench.metrics.counting.counts import PixelCounts
from oodbench.metrics.counting.frame_scores import FrameScores, group_scores
from oodbench.metrics.percentiles import PercentileBins
from oodbench.metrics.pixels import PixelMetrics, pixel_metrics
from oodbench.metrics.resampling.sketch_thresholds import SketchBins, choose_bins
from oodbench.metrics.resampling.sketches import FrameValues
from oodbench.types import IN_DISTRIBUTION, VOID, AnomalyLabels, ScoreMap


def apply_protocol(protocol: Protocol, score: ScoreMap, labels: AnomalyLabels) -> tuple[ScoreMap, AnomalyLabels]:
    """Return a frame converted to the precision of the protocol, with its void rule applied."""
    if protocol.void == "in-distribution":
        values = np.where(labels.values == VOID, IN_DISTRIBUTION, labels.values).astype(np.uint8)
        labels = replace(labels, values=values)
    if protocol.precision == "float16":
        # Scores are rounded to half precision, then sorted and counted in single precision: numpy 2.4 sorts float16
        # wrongly on processors with AVX-512, which also affects np.quantile and np.histogram.
        score = score.astype(np.float16).astype(np.float32)
    return score, labels


class Evaluation(ABC):
    """Evaluation of frames under one protocol (set of rules), frame by frame; `make_evaluation` creates it.

    Args:
        protocol: The protocol, which determines how scores become metrics.

    Attributes:
        protocol: The protocol, as passed.

    Examples:
        >>> import numpy as np
        >>> from oodbench.metrics import PROTOCOLS, Evaluation, make_evaluation
        >>> from oodbench.types import AnomalyLabels
        >>> evaluation: Evaluation = make_evaluation(PROTOCOLS["caos"])
        >>> for seed in range(2):
        ...     score = np.random.default_rng(seed).random((4, 6), np.float32)
        ...     evaluation.update(score, AnomalyLabels((score > 0.8).astype(np.uint8)))
        >>> evaluation.metrics().values["AP"], len(evaluation.frame_values().sums)
        (1.0, 2)
    """

    def __init__(self, protocol: Protocol) -> None:
        self.protocol = protocol

    def update(self, score: ScoreMap, labels: AnomalyLabels) -> None:
        """Count one frame.

        Args:
            score: float32 [H, W], higher = more anomalous.
            labels: Labels of the same shape.

        Raises:
            ScoreError: The shapes or types do not match, or the score of a pixel that is not void is NaN.
        """
        self.add(group_scores(score, labels))

    def add(self, scores: FrameScores) -> None:
        """Count one frame.

        Args:
            scores: All scores of the frame by label, as `group_scores` returns them.

        Raises:
            ScoreError: The score of a pixel that the protocol counts is NaN.
        """
        if self.protocol.precision == "float16":
            score, labels = scores.pixels()
            self._accumulate(group_scores(*apply_protocol(self.protocol, score, AnomalyLabels(labels))))
        else:
            self._accumulate(scores)

    @abstractmethod
    def _accumulate(self, scores: FrameScores) -> None: ...

    @abstractmethod
    def metrics(self) -> PixelMetrics:
        """Compute the metrics of all frames so far."""

    def bins(self) -> SketchBins | None:
        """Return the bins of scores for a `PixelSketch` of all frames; None if the protocol allows no such sketch."""
        return None

    def frame_values(self) -> FrameValues | None:
        """Return the metrics of each frame if the protocol averages them, otherwise None."""
        return None


class _Pooled(Evaluation):
    """All pixels in one pool."""

    def __init__(self, protocol: Protocol) -> None:
        super().__init__(protocol)
        self._counts = PixelCounts()
        self._bins: SketchBins | None = None

    @override
    def _accumulate(self, scores: FrameScores) -> None:
        self._counts.add(scores, void_as_in_distribution=self.protocol.void == "in-distribution")
        self._bins = None

    @override
    def metrics(self) -> PixelMetrics:
        counts, points = self._counts, self._counts.points()
        # The bins are computed now, because the points take most of the time and memory.
        self._bins = choose_bins(points, counts.positive, counts.negative, self.protocol.tpr)
        return pixel_metrics(counts, self.protocol, points)

    @override
    def bins(self) -> SketchBins | None:
        if self._bins is None:
            self.metrics()
        return self._bins


class _Percentiles(_Pooled):
    """All pixels in one pool of bins. The counts and the largest tie refer to all distinct scores."""

    def __init__(self, protocol: Protocol) -> None:
        super().__init__(protocol)
        self._percentiles = PercentileBins()

    @override
    def _accumulate(self, scores: FrameScores) -> None:
        super()._accumulate(scores)
        score, labels = scores.pixels()
        self._percentiles.update(*apply_protocol(self.protocol, score, AnomalyLabels(labels)))

    @override
    def metrics(self) -> PixelMetrics:
        f1, threshold = self._percentiles.best_f1()
        values = self._percentiles.values(self.protocol)
        return replace(super().metrics(), values=values, best_f1=f1, best_f1_threshold=threshold)

    @override
    def bins(self) -> None:
        """Return None: each frame has its own bins, so there are no common ones."""


class _FrameMeans(Evaluation):
    """The mean over the metrics of single frames; a frame with an undefined metric is left out of the mean."""

    def __init__(self, protocol: Protocol) -> None:
        super().__init__(protocol)
        self._frames: list[PixelMetrics] = []

    @override
    def _accumulate(self, scores: FrameScores) -> None:
        counts = PixelCounts()
        counts.add(scores, void_as_in_distribution=self.protocol.void == "in-distribution")
        self._frames.append(pixel_metrics(counts, self.protocol))

    @override
    def metrics(self) -> PixelMetrics:
        nothing = pixel_metrics(PixelCounts(), self.protocol)
        names = list(nothing.values)
        kept = [frame for frame in self._frames if not frame.undefined]
        totals = {name: sum(frame.counts[name] for frame in self._frames) for name in nothing.counts}
        without = totals["frames_without_anomaly"]
        reason = None
        if not kept:
            reason = "no frame has pixels of both kinds"
        elif self.protocol.frames_without_anomaly == "refused" and without:
            reason = f"{without} frames have no anomaly, which this protocol refuses"
        values = {name: math.nan if reason else float(np.mean([f.values[name] for f in kept])) for name in names}
        undefined = dict.fromkeys(names, reason) if reason else {}
        largest = max((frame.largest_tie for frame in self._frames), default=0.0)
        return PixelMetrics(values, undefined, totals, math.nan, math.nan, largest)

    @override
    def frame_values(self) -> FrameValues:
        names = tuple(pixel_metrics(PixelCounts(), self.protocol).values)
        values = np.array([[frame.values[name] for name in names] for frame in self._frames]).reshape(-1, len(names))
        kept = np.array([not frame.undefined for frame in self._frames])[:, None] & np.ones(values.shape, bool)
        return FrameValues(names, np.where(kept, values, 0.0), kept.astype(np.int64))


def make_evaluation(protocol: Protocol) -> Evaluation:
    """Create an evaluation under a protocol, a set of rules that turns scores into metrics.

    Args:
        protocol: The protocol, such as `POOLED` or `PROTOCOLS[NAME]`.

    Returns:
        An evaluation of the kind that the protocol needs, without frames.

    Examples:
        >>> import numpy as np
        >>> from oodbench.metrics import POOLED, make_evaluation
        >>> from oodbench.types import AnomalyLabels
        >>> evaluation = make_evaluation(POOLED)
        >>> evaluation.update(np.float32([0.9, 0.2, 0.4]), AnomalyLabels(np.array([1, 0, 0], np.uint8)))
        >>> metrics = evaluation.metrics()
        >>> metrics.values, metrics.counts["frames"]
        ({'AP': 1.0, 'FPR95': 0.0, 'AUROC': 1.0}, 1)
    """
    if protocol.thresholds == "percentiles":
        return _Percentiles(protocol)
    return _FrameMeans(protocol) if protocol.pooling == "frames" else _Pooled(protocol)
