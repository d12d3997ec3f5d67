"""Counts of labelled scores in buckets, with the range of the scores that occur in each."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from oodbench.compiled import compiled
from oodbench.errors import UsageError
from oodbench.metrics.counting import kernels
from oodbench.metrics.counting.buckets import Buckets, bucket_of
from oodbench.metrics.counting.checks import check_nan, flatten_scores
from oodbench.types import ANOMALY, IN_DISTRIBUTION, AnomalyLabels, ScoreMap

_HIGHEST = np.uint32(0xFFFFFFFF)


class BucketCounts:
    """Counts of labelled scores in buckets, from which `pixel_brackets` computes bounds of the metrics.

    The lowest and the highest score of each label in each bucket are kept, too. Parts of the frames can be counted
    separately and merged in any order; the counts are identical. They take 32 bytes per bucket, 36 MB for
    `Buckets.calibrated` with its edges.

    Args:
        buckets: The buckets.

    Attributes:
        buckets: The buckets, as passed.
        counts: int64 [2, K], in-distribution and anomalous pixels per bucket.
        lowest: uint32 [2, K], the lowest of these scores, as an integer that has the same order; 2^32 - 1 if none.
        highest: uint32 [2, K], the highest; 0 if there is none.
        frames: Number of counted frames.
        without_anomaly: Number of these frames without an anomalous pixel.
        void: Number of void pixels, which count in no metric.

    Examples:
        >>> import numpy as np
        >>> from oodbench.metrics import BucketCounts, Buckets
        >>> from oodbench.types import AnomalyLabels
        >>> counts = BucketCounts(Buckets.even(12))
        >>> counts.update(np.float32([0.9, 0.1, 0.2]), AnomalyLabels(np.array([1, 0, 255], np.uint8)))
        >>> counts.counts.shape, counts.counts.sum(axis=1).tolist(), counts.void
        ((2, 4096), [1, 1], 1)
    """

    def __init__(self, buckets: Buckets) -> None:
        self.buckets = buckets
        self.counts = np.zeros((2, buckets.size), np.int64)
        self.lowest = np.full(self.counts.shape, _HIGHEST)
        self.highest = np.zeros(self.counts.shape, np.uint32)
        self.frames = self.without_anomaly = self.void = 0

    def update(self, score: ScoreMap, labels: AnomalyLabels) -> None:
        """Count one frame.

        Args:
            score: float32 [H, W], higher = more anomalous.
            labels: Labels of the same shape.

        Raises:
            ScoreError: The shape or type does not match the labels, or the score of a pixel that is not void is NaN.
                Do not use the counts after this error.
        """
        bits, flat = flatten_scores(score, labels)
        edges, first = self.buckets.edges, self.buckets.first
        anomalous, void, broken = _count(bits, flat, edges, first, self.counts, self.lowest, self.highest)
        check_nan(broken, flat.size - void)
        self.frames += 1
        self.without_anomaly += anomalous == 0
        self.void += void

    def merge(self, others: Iterable[BucketCounts]) -> None:
        """Add the counts of other `BucketCounts`.

        Args:
            others: Counts of other frames, in the same buckets.

        Raises:
            UsageError: The buckets differ.
        """
        for other in others:
            if other.buckets != self.buckets:
                raise UsageError(
                    f"counts in {other.buckets.size} buckets can't be added to counts in {self.buckets.size} buckets "
                    "with other edges",
                    "Create all counts with the same buckets.",
                )
            self.counts += other.counts
            np.minimum(self.lowest, other.lowest, out=self.lowest)
            np.maximum(self.highest, other.highest, out=self.highest)
            self.frames += other.frames
            self.without_anomaly += other.without_anomaly
            self.void += other.void

    # as arrays, for files and other processes

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the counts of the buckets that are not empty, as arrays; `from_arrays` restores them."""
        content: dict[str, NDArray[np.generic]] = {
            "totals": np.array([self.frames, self.without_anomaly, self.void, _checksum(self.buckets)], np.int64)
        }
        for label, name in _NAMES.items():
            used = np.flatnonzero(self.counts[label])
            counts = self.counts[label, used]
            content |= {
                f"{name}_buckets": used.astype(np.uint32),
                f"{name}_counts": counts.astype(np.min_scalar_type(counts.max(initial=0))),
                f"{name}_lowest": self.lowest[label, used],
                # A single pixel, the most frequent case, has no range.
                f"{name}_highest": self.highest[label, used[counts > 1]],
            }
        return content

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray[np.generic]], buckets: Buckets) -> BucketCounts:
        """Restore counts from their arrays.

        Args:
            arrays: The arrays that `arrays` returned.
            buckets: The buckets of these counts, which the arrays do not contain.

        Raises:
            UsageError: The counts are of other buckets.
        """
        state = BucketCounts(buckets)
        state.frames, state.without_anomaly, state.void, checksum = (int(value) for value in arrays["totals"])
        if checksum != _checksum(buckets):
            raise UsageError(
                f"the counts are not of these {buckets.size} buckets", "Pass the buckets in which they were counted."
            )
        for label, name in _NAMES.items():
            used = arrays[f"{name}_buckets"].astype(np.intp)
            counts, lowest = arrays[f"{name}_counts"].astype(np.int64), arrays[f"{name}_lowest"]
            state.counts[label, used], state.lowest[label, used], state.highest[label, used] = counts, lowest, lowest
            state.highest[label, used[counts > 1]] = arrays[f"{name}_highest"]
        return state


_NAMES = {IN_DISTRIBUTION: "in_distribution", ANOMALY: "anomalous"}


def _checksum(buckets: Buckets) -> int:
    return zlib.crc32(buckets.edges.tobytes())


@compiled(nogil=True)
def _count(
    bits: NDArray[np.uint32],
    labels: NDArray[np.uint8],
    edges: NDArray[np.uint32],
    first: NDArray[np.int64],
    counts: NDArray[np.int64],
    lowest: NDArray[np.uint32],
    highest: NDArray[np.uint32],
) -> tuple[int, int, int]:
    """Count the scores of a frame, given by their bits; return the numbers of anomalous, void and NaN pixels."""
    anomalous, void, broken = 0, 0, 0
    for i in range(bits.size):
        label = labels[i]
        if label > ANOMALY:
            void += 1
            continue
        if (bits[i] & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000):
            broken += 1
        anomalous += label
        key = kernels.key_of(bits[i])
        bucket = bucket_of(key, edges, first)
        counts[label, bucket] += 1
        lowest[label, bucket] = min(lowest[label, bucket], key)
        highest[label, bucket] = max(highest[label, bucket], key)
    return anomalous, void, broken
