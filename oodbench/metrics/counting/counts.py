"""Exact counts of labelled scores, accumulated frame by frame in two bytes per pixel and merged by addition.

Each score is mapped to an unsigned key that preserves the order. For an in-distribution pixel the low 16 bits of the
key are stored in the bucket of its high 16 bits; for an anomalous pixel the whole key is stored. No information is
lost. Keys are sorted only at the end, and only the distinct anomalous scores: the in-distribution keys of a bucket are
counted only if the bucket contains an anomalous score. Frames with half-precision scores are counted in a fixed table
instead, which takes 8 MiB for all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from oodbench.metrics.counting.checks import check_nan
from oodbench.metrics.counting.curve_points import CurvePoints
from oodbench.metrics.counting.frame_scores import FrameScores, group_scores
from oodbench.metrics.counting.grouped_scores import GroupedScores
from oodbench.metrics.counting.higher_scores import count_higher
from oodbench.metrics.counting.ordered_keys import HALF_BITS, half_bins_to_keys
from oodbench.types import ANOMALY, IN_DISTRIBUTION, AnomalyLabels, ScoreMap

_HALF_BINS = 1 << (32 - HALF_BITS)


@dataclass
class PixelCounts:
    """The pixels of all frames so far, counted by score and label; `pixel_metrics` computes the metrics from them.

    Parts of the frames can be counted separately and merged in any order; the metrics are bit-identical.

    Attributes:
        compiled: Whether compiled code counts the pixels. If False, plain numpy counts them, which is slower and gives
            the same numbers.
        frames: Number of counted frames.
        without_anomaly: Number of these frames without an anomalous pixel.
        void: Number of void pixels, which count in no metric.

    Examples:
        >>> import numpy as np
        >>> from oodbench.metrics import POOLED, PixelCounts, pixel_metrics
        >>> from oodbench.types import AnomalyLabels
        >>> counts = PixelCounts()
        >>> for score in ([0.9, 0.2, 0.1], [0.8, 0.3, 0.4]):  # two frames
        ...     counts.update(np.array(score, np.float32), AnomalyLabels(np.array([1, 0, 255], np.uint8)))
        >>> counts.positive, counts.negative, counts.void
        (2, 2, 2)
        >>> pixel_metrics(counts, POOLED).values["AP"]
        1.0
    """

    compiled: bool = True
    frames: int = 0
    without_anomaly: int = 0
    void: int = 0
    _normal: list[GroupedScores] = field(default_factory=list)
    _positive: list[NDArray[np.uint32]] = field(default_factory=list)
    _halves: NDArray[np.int64] | None = None

    def update(self, score: ScoreMap, labels: AnomalyLabels) -> None:
        """Count one frame.

        Args:
            score: float32 [H, W], higher = more anomalous. Any other shape works if the labels have it too.
            labels: Labels of the same shape.

        Raises:
            ScoreError: The shapes or types do not match, or the score of a pixel that is not void is NaN.
        """
        self.add(group_scores(score, labels, compiled=self.compiled))

    def add(self, scores: FrameScores, void_as_in_distribution: bool = False) -> None:
        """Count one frame, given by its scores. Their arrays are kept, not copied.

        Args:
            scores: The scores of the frame.
            void_as_in_distribution: Whether void pixels count as in-distribution pixels.

        Raises:
            ScoreError: Void pixels count as in-distribution pixels, and at least one scores NaN.
        """
        void = int(scores.void.pixels.sum())
        parts = [scores.normal]
        if void_as_in_distribution:
            check_nan(scores.void.count_nan(), int(scores.normal.pixels.sum()) + void + scores.key.size)
            parts.append(scores.void)
        if scores.half_precision:
            if self._halves is None:
                self._halves = np.zeros((2, _HALF_BINS), np.int64)
            for part in parts:
                part.add_to_half_bins(self._halves[IN_DISTRIBUTION])
            np.add.at(self._halves[ANOMALY], (scores.key >> np.uint32(HALF_BITS)).astype(np.int64), 1)
        else:
            self._normal += parts
            self._positive.append(scores.key)
        self.frames += 1
        self.without_anomaly += not scores.key.size
        self.void += 0 if void_as_in_distribution else void

    def merge(self, others: Iterable[PixelCounts]) -> None:
        """Add the counts of other `PixelCounts`.

        Args:
            others: Counts of other frames, for example of other processes.
        """
        for other in others:
            self.frames += other.frames
            self.without_anomaly += other.without_anomaly
            self.void += other.void
            self._normal += other._normal
            self._positive += other._positive
            if other._halves is not None:
                self._halves = other._halves.copy() if self._halves is None else self._halves + other._halves

    @property
    def positive(self) -> int:
        """The number of anomalous pixels."""
        halves = 0 if self._halves is None else int(self._halves[ANOMALY].sum())
        return halves + sum(keys.size for keys in self._positive)

    @property
    def negative(self) -> int:
        """The number of in-distribution pixels."""
        halves = 0 if self._halves is None else int(self._halves[IN_DISTRIBUTION].sum())
        return halves + sum(part.low.size for part in self._normal)

    def points(self) -> CurvePoints:
        """Return the distinct scores of anomalous pixels, from the highest down, with the numbers of pixels at each."""
        key, tied = self._distinct_keys()
        above, equal = np.zeros(key.size, np.int64), np.zeros(key.size, np.int64)
        if self._normal:
            count_higher(self._normal, key, above, equal, self.compiled)
        if self._halves is not None:
            _count_halves(self._halves[0], key, above, equal)
        return CurvePoints(key, tied, above, equal)

    def _distinct_keys(self) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """Return the distinct anomalous keys, descending, and the number of pixels with each key."""
        everything = np.concatenate([np.empty(0, np.uint32), *self._positive])
        everything.sort()
        edges = np.flatnonzero(np.diff(everything, prepend=~everything[:1], append=~everything[-1:]))
        key, tied = everything[edges[:-1]], np.diff(edges)
        if self._halves is not None:
            bins = np.flatnonzero(self._halves[1])
            key = np.concatenate([key, half_bins_to_keys(bins)])
            tied = np.concatenate([tied, self._halves[1][bins]])
            order = np.argsort(key, kind="stable")
            key, tied = key[order], tied[order]
            first = np.flatnonzero(np.diff(key, prepend=~key[:1])) if key.size else np.empty(0, np.intp)
            tied = np.add.reduceat(tied, first) if key.size else tied
            key = key[first]
        return key[::-1].copy(), tied[::-1].astype(np.int64)

    # as arrays, for files and other processes

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the counts as arrays; `from_arrays` restores them."""
        content: dict[str, NDArray[np.generic]] = {
            "totals": np.array([self.frames, self.without_anomaly, self.void], np.int64),
            "low": np.concatenate([np.empty(0, np.uint16), *(part.low for part in self._normal)]),
            "buckets": np.concatenate([np.empty(0, np.uint16), *(part.bucket for part in self._normal)]),
            "sizes": np.concatenate([np.empty(0, np.int64), *(part.size for part in self._normal)]),
            "positive": np.concatenate([np.empty(0, np.uint32), *self._positive]),
            "block_buckets": np.array([part.bucket.size for part in self._normal], np.int64),
        }
        if self._halves is not None:
            bins = np.flatnonzero(self._halves.any(axis=0))
            content |= {"half_bins": bins, "half_counts": self._halves[:, bins]}
        return content

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray[np.generic]]) -> PixelCounts:
        """Restore counts from their arrays.

        Args:
            arrays: The arrays that `arrays` returned.
        """
        counts = PixelCounts()
        counts.frames, counts.without_anomaly, counts.void = (int(value) for value in arrays["totals"])
        counts._positive.append(arrays["positive"])  # type: ignore[arg-type]
        segment = start = 0
        for segments in arrays["block_buckets"].tolist():
            bucket, size = (arrays[name][segment : segment + segments] for name in ("buckets", "sizes"))
            stop = start + int(size.sum())
            group = np.zeros(segments, np.uint8)
            low = arrays["low"][start:stop]
            counts._normal.append(GroupedScores(low, np.empty(0, np.uint32), bucket, group, size.astype(np.uint32)))  # type: ignore[arg-type]
            segment, start = segment + segments, stop
        if "half_bins" in arrays:
            counts._halves = np.zeros((2, _HALF_BINS), np.int64)
            counts._halves[:, arrays["half_bins"].astype(np.intp)] = arrays["half_counts"]
        return counts


def _count_halves(
    normal: NDArray[np.int64], key: NDArray[np.uint32], above: NDArray[np.int64], equal: NDArray[np.int64]
) -> None:
    """Add the in-distribution pixels of the half-precision table to the counts at each key."""
    bins = (key >> np.uint32(HALF_BITS)).astype(np.int64)
    higher = np.concatenate([normal[::-1].cumsum()[::-1], [0]])
    bin_keys = half_bins_to_keys(bins)
    above += higher[bins + 1] + np.where(bin_keys > key, normal[bins], 0)
    equal += np.where(bin_keys == key, normal[bins], 0)
