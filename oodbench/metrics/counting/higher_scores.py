"""The numbers of in-distribution pixels that score higher than an anomalous pixel, counted in several threads.

Only buckets with an anomalous score are read. The threads count separate ranges of buckets. The scores of a range are
spread over all frames; they are copied next to each other in parts of limited size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from oodbench.metrics.counting import kernels
from oodbench.metrics.counting.grouped_scores import GroupedScores
from oodbench.threads import count_threads, open_pool

# Number of pixels that a thread copies at a time.
_PART = 1 << 21


def count_higher(
    parts: Sequence[GroupedScores],
    key: NDArray[np.uint32],
    above: NDArray[np.int64],
    equal: NDArray[np.int64],
    compiled: bool,
) -> None:
    """Add the numbers of higher and of equal scores to the counts at each key.

    Args:
        parts: Scores of in-distribution pixels, each of which is one pixel.
        key: uint32 [J], keys of distinct scores, descending.
        above: int64 [J], counts of higher scores.
        equal: int64 [J], counts of equal scores.
        compiled: Whether compiled code counts the scores; otherwise plain numpy does.
    """
    in_bucket = np.zeros(kernels.BUCKETS + 1, np.int64)
    for part in parts:
        np.add.at(in_bucket, part.bucket.astype(np.int64), part.pixels)
    higher = in_bucket[::-1].cumsum()[::-1]
    high = (key >> np.uint32(16)).astype(np.int64)
    above += higher[high + 1]
    refine = _refine if compiled else _refine_numpy

    def count_range(first: int, last: int) -> None:
        where = slice(first, last)
        for scores in _collect(parts, int(high[last - 1]), int(high[first])):
            refine(key[where], *scores, above[where], equal[where])

    threads = count_threads()
    ranges = _split(high, in_bucket, threads)
    if threads == 1 or len(ranges) < 2:
        for first, last in ranges:
            count_range(first, last)
    else:
        with open_pool(threads) as pool:
            for task in [pool.submit(count_range, first, last) for first, last in ranges]:
                task.result()


def _split(high: NDArray[np.int64], in_bucket: NDArray[np.int64], threads: int) -> list[tuple[int, int]]:
    """Split the keys between buckets into ranges with a similar number of pixels; return the bounds of each."""
    first = np.flatnonzero(np.diff(high, prepend=-1))  # of each bucket
    pixels = in_bucket[high[first]]
    share = np.clip(pixels.sum() // (4 * threads), 1 << 16, _PART)
    number = (np.cumsum(pixels) - pixels) // share
    bounds = np.append(first[np.flatnonzero(np.diff(number, prepend=-1))], high.size)
    return [(int(first), int(last)) for first, last in pairwise(bounds)]


def _collect(
    parts: Sequence[GroupedScores], lowest: int, highest: int
) -> Iterator[tuple[NDArray[np.uint16], NDArray[np.uint16], NDArray[np.uint32]]]:
    """Yield the low halves, buckets and sizes of the segments from the lowest to the highest bucket, part by part."""
    low, bucket, size = [], [], []
    pixels = 0
    for part in parts:
        first, last = np.searchsorted(part.bucket, [lowest, highest + 1])
        if first == last:
            continue
        start, stop = part.starts[first], part.starts[last]
        low.append(part.low[start:stop])
        bucket.append(part.bucket[first:last])
        size.append(part.size[first:last])
        pixels += int(stop - start)
        if pixels >= _PART:
            yield np.concatenate(low), np.concatenate(bucket), np.concatenate(size)
            low, bucket, size = [], [], []
            pixels = 0
    if low:
        yield np.concatenate(low), np.concatenate(bucket), np.concatenate(size)


def _refine(
    key: NDArray[np.uint32],
    low: NDArray[np.uint16],
    bucket: NDArray[np.uint16],
    size: NDArray[np.uint32],
    above: NDArray[np.int64],
    equal: NDArray[np.int64],
) -> None:
    """Add the numbers of higher and of equal scores in the bucket of each key."""
    start = np.cumsum(size, dtype=np.int64) - size
    order = np.argsort(bucket, kind="stable")[::-1]
    kernels.refine(key, low, bucket[order], start[order], size[order], above, equal)


def _refine_numpy(
    key: NDArray[np.uint32],
    low: NDArray[np.uint16],
    bucket: NDArray[np.uint16],
    size: NDArray[np.uint32],
    above: NDArray[np.int64],
    equal: NDArray[np.int64],
) -> None:
    """Add the same numbers as `_refine`, in plain numpy."""
    values = np.sort(np.repeat(bucket.astype(np.uint32) << np.uint32(16), size) | low)
    right, left = np.searchsorted(values, key, side="right"), np.searchsorted(values, key, side="left")
    above += np.searchsorted(values, key | np.uint32(0xFFFF), side="right") - right
    equal += right - left
