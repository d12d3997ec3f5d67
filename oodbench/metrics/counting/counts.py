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

from oodbench.errors import ScoreError
from oodbench.metrics.counting import kernels
from oodbench.metrics.counting.blocks import Block, Filer, block_numpy
from oodbench.metrics.counting.curve_points import CurvePoints
from oodbench.metrics.counting.ordered_keys import HALF_BITS, half_bins_to_keys
from oodbench.types import AnomalyLabels, ScoreMap

_HALF_BINS = 1 << (32 - HALF_BITS)
_HALF_MASK = (1 << HALF_BITS) - 1


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
    _blocks: list[Block] = field(default_factory=list)
    _filer: Filer = field(default_factory=Filer, repr=False, compare=False)
    _halves: NDArray[np.int64] | None = None

    def update(self, score: ScoreMap, labels: AnomalyLabels) -> None:
        """Count one frame.

        Args:
            score: float32 [H, W], higher = more anomalous. Any other shape works if the labels have it too.
            labels: Labels of the same shape.

        Raises:
            ScoreError: The shapes or types do not match, or the score of a pixel that is not void is NaN. Do not use
                the counts after this error.
        """
        bits, flat = flatten_scores(score, labels)
        if np.bitwise_or.reduce(bits) & np.uint32(_HALF_MASK):
            totals = self._take_block(bits, flat)
        else:
            totals = self._take_halves(bits, flat)
        anomalous, void, broken = totals
        check_nan(broken, flat.size - void)
        self.frames += 1
        self.without_anomaly += anomalous == 0
        self.void += void

    def add(self, scores, void_as_in_distribution=False):
        label = scores.label
        if void_as_in_distribution:
            label = np.where(label > 1, 0, label).astype(np.uint8)
        self.update(scores.score, AnomalyLabels(label))

    def _take_halves(self, bits: NDArray[np.uint32], flat: NDArray[np.uint8]) -> tuple[int, int, int]:
        if self._halves is None:
            self._halves = np.zeros((2, _HALF_BINS), np.int64)
        return (kernels.count_halves if self.compiled else kernels.count_halves_numpy)(bits, flat, self._halves)

    def _take_block(self, bits: NDArray[np.uint32], flat: NDArray[np.uint8]) -> tuple[int, int, int]:
        block, totals = self._filer.block(bits, flat) if self.compiled else block_numpy(bits, flat)
        self._blocks.append(block)
        return totals

    def merge(self, others: Iterable[PixelCounts]) -> None:
        """Add the counts of other `PixelCounts`.

        Args:
            others: Counts of other frames, for example of other processes.
        """
        for other in others:
            self.frames += other.frames
            self.without_anomaly += other.without_anomaly
            self.void += other.void
            self._blocks += other._blocks
            if other._halves is not None:
                self._halves = other._halves.copy() if self._halves is None else self._halves + other._halves

    @property
    def positive(self) -> int:
        """The number of anomalous pixels."""
        halves = 0 if self._halves is None else int(self._halves[1].sum())
        return halves + sum(block.positive.size for block in self._blocks)

    @property
    def negative(self) -> int:
        """The number of in-distribution pixels."""
        halves = 0 if self._halves is None else int(self._halves[0].sum())
        return halves + sum(block.low.size for block in self._blocks)

    def points(self) -> CurvePoints:
        """Return the distinct scores of anomalous pixels, from the highest down, with the numbers of pixels at each."""
        self._filer = Filer()  # frees the memory of its pages for the next steps
        key, tied = self._distinct_keys()
        above, equal = np.zeros(key.size, np.int64), np.zeros(key.size, np.int64)
        if self._blocks:
            self._count_blocks(key, above, equal)
        if self._halves is not None:
            _count_halves(self._halves[0], key, above, equal)
        return CurvePoints(key, tied, above, equal)

    def _distinct_keys(self) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """Return the distinct anomalous keys, descending, and the number of pixels with each key."""
        everything = np.concatenate([np.empty(0, np.uint32), *(block.positive for block in self._blocks)])
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

    def _count_blocks(self, key: NDArray[np.uint32], above: NDArray[np.int64], equal: NDArray[np.int64]) -> None:
        in_bucket = np.zeros(kernels.BUCKETS + 1, np.int64)
        for block in self._blocks:
            in_bucket[block.buckets] += np.diff(block.starts)
        higher = in_bucket[::-1].cumsum()[::-1]
        above += higher[(key >> np.uint32(16)).astype(np.int64) + 1]
        lows, buckets, starts = (
            [getattr(block, name) for block in self._blocks] for name in ("low", "buckets", "starts")
        )
        if self.compiled:
            from numba.typed import List

            kernels.refine(key, List(lows), List(buckets), List(starts), above, equal)
        else:
            kernels.refine_numpy(key, lows, buckets, starts, above, equal)

    # as arrays, for files and other processes

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the counts as arrays; `from_arrays` restores them."""
        content: dict[str, NDArray[np.generic]] = {
            "totals": np.array([self.frames, self.without_anomaly, self.void], np.int64),
            "low": np.concatenate([np.empty(0, np.uint16), *(block.low for block in self._blocks)]),
            "buckets": np.concatenate([np.empty(0, np.uint16), *(block.buckets for block in self._blocks)]),
            "sizes": np.concatenate([np.empty(0, np.int64), *(np.diff(block.starts) for block in self._blocks)]),
            "positive": np.concatenate([np.empty(0, np.uint32), *(block.positive for block in self._blocks)]),
            "block_buckets": np.array([block.buckets.size for block in self._blocks], np.int64),
            "block_positive": np.array([block.positive.size for block in self._blocks], np.int64),
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
        edges = np.cumsum(arrays["block_buckets"])[:-1]
        buckets, sizes = np.split(arrays["buckets"], edges), np.split(arrays["sizes"], edges)
        positive = np.split(arrays["positive"], np.cumsum(arrays["block_positive"])[:-1])
        at = 0
        for present, size, keys in zip(buckets, sizes, positive, strict=True) if len(arrays["block_buckets"]) else ():
            starts = np.concatenate([[0], np.cumsum(size)])
            counts._blocks.append(Block(arrays["low"][at : at + starts[-1]], present, starts, keys))  # type: ignore[arg-type]
            at += int(starts[-1])
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


def flatten_scores(score: ScoreMap, labels: AnomalyLabels) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    """Return the bits of the scores and the labels as flat arrays, after checking that they match.

    Raises:
        ScoreError: The shapes differ, or the scores are not float32.
    """
    values = labels.values
    if score.shape != values.shape:
        raise ScoreError(
            f"the score map is {score.shape} and its labels are {values.shape}; expected the same",
            "Resize the score map to the size of the labels first.",
        )
    if score.dtype != np.float32:
        raise ScoreError(
            f"the score map is {score.dtype}; expected float32",
            "Convert it first, as with score.astype(numpy.float32).",
        )
    return np.ascontiguousarray(score).view(np.uint32).ravel(), np.ascontiguousarray(values).ravel()


def check_nan(broken: int, valid: int) -> None:
    """Raise if valid pixels score NaN.

    Raises:
        ScoreError: At least one valid pixel scores NaN.
    """
    if broken:
        raise ScoreError(
            f"{broken} of {valid} valid pixels score NaN; expected a number for each",
            "Fix the method that computes the scores, and score the frame again.",
        )
