"""Compiled inner loops of the exact counts. They release the GIL."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from oodbench.compiled import compiled
from oodbench.metrics.counting.ordered_keys import HALF_BITS
from oodbench.types import ANOMALY

BUCKETS = 1 << 16
_LOW = (1 << 16) - 1
# Half-precision scores with the same high half of the key.
_PARTS = 1 << (16 - HALF_BITS)
# Up to this number of edges, comparing all scores of a segment with each edge is faster than a binary search per score.
_FEW = 8
# Up to this number of pixels in a bucket, resetting their counts is faster than resetting all counts.
_SPARSE = 1 << 13
# From this number of keys in a bucket on, summing all counts is faster than going from key to key.
_DENSE = 64


@numba.njit(inline="always")
def key_of(bits: Any) -> Any:
    """Return the order-preserving key of one score, given by its bits; `keys_of` does the same for arrays."""
    if bits == np.uint32(0x80000000):  # -0.0
        bits = np.uint32(0)
    return ~bits if bits & np.uint32(0x80000000) else bits | np.uint32(0x80000000)


@compiled(nogil=True)
def count_groups(
    bits: NDArray[np.uint32],
    labels: NDArray[np.uint8],
    groups: NDArray[np.uint8],
    shift: int,
    columns: int,
    table: NDArray[np.uint32],
    used: NDArray[np.uint8],
) -> None:
    """Count the pixels that are not anomalous by key and group.

    Args:
        bits: uint32, bits of the scores of a frame.
        labels: uint8, 0 (in-distribution), 1 (anomaly) or anything else (void).
        groups: uint8, the group of each pixel, below `columns` - 1; empty if all are in group 0.
        shift: Number of low bits of the key to ignore.
        columns: Number of groups, plus one for void pixels.
        table: [2^(32 - shift) * columns], counts by key and column; all 0 before the call.
        used: [2^16], set to 1 for each high half of a key that occurs; all 0 before the call.
    """
    grouped = groups.size > 0
    for i in range(bits.size):
        label = labels[i]
        if label == ANOMALY:
            continue
        key = np.int64(key_of(bits[i]))
        column = np.int64(0)
        if label:
            column = np.int64(columns - 1)
        elif grouped:
            column = np.int64(groups[i])
        used[key >> 16] = 1
        table[(key >> shift) * columns + column] += np.uint32(1)


@compiled(nogil=True)
def list_segments(
    table: NDArray[np.uint32], used: NDArray[np.uint8], columns: int, first: int, last: int
) -> tuple[NDArray[np.uint16], NDArray[np.uint8], NDArray[np.uint32]]:
    """Return the bucket, group and size of each segment in the columns first to last - 1, with shift = 16.

    In the table, the count of each segment is replaced by the number of pixels in the segments before it.
    """
    segments = 0
    for bucket in range(BUCKETS):
        if used[bucket]:
            for column in range(first, last):
                segments += table[bucket * columns + column] > 0
    buckets, groups, sizes = np.empty(segments, np.uint16), np.empty(segments, np.uint8), np.empty(segments, np.uint32)
    at, total = 0, np.uint32(0)
    for bucket in range(BUCKETS):
        if used[bucket]:
            for column in range(first, last):
                size = table[bucket * columns + column]
                table[bucket * columns + column] = total
                if size:
                    buckets[at], groups[at], sizes[at] = bucket, column - first, size
                    at += 1
                    total += size
    return buckets, groups, sizes


@compiled(nogil=True)
def fill_segments(
    bits: NDArray[np.uint32],
    labels: NDArray[np.uint8],
    groups: NDArray[np.uint8],
    columns: int,
    table: NDArray[np.uint32],
    used: NDArray[np.uint8],
    low: NDArray[np.uint16],
    void: NDArray[np.uint16],
) -> None:
    """Write the low halves of the keys into their segments, which start where `table` states; reset the tables."""
    grouped = groups.size > 0
    for i in range(bits.size):
        label = labels[i]
        if label == ANOMALY:
            continue
        key = np.int64(key_of(bits[i]))
        column = np.int64(0)
        if label:
            column = np.int64(columns - 1)
        elif grouped:
            column = np.int64(groups[i])
        place = (key >> 16) * columns + column
        at = table[place]
        table[place] = at + np.uint32(1)
        if label:
            void[at] = np.uint16(key & _LOW)
        else:
            low[at] = np.uint16(key & _LOW)
    clear(table, used, columns)


@compiled(nogil=True)
def list_values(
    table: NDArray[np.uint32], used: NDArray[np.uint8], columns: int, first: int, last: int
) -> tuple[NDArray[np.uint16], NDArray[np.uint32], NDArray[np.uint16], NDArray[np.uint8], NDArray[np.uint32]]:
    """Return the distinct half-precision scores in the columns first to last - 1, counted with shift = `HALF_BITS`.

    Returns:
        The low half of each score and its number of pixels; the bucket, group and number of scores of each segment.
    """
    values, segments = 0, 0
    for bucket in range(BUCKETS):
        if used[bucket]:
            for column in range(first, last):
                size = 0
                for part in range(_PARTS):
                    size += table[(bucket * _PARTS + part) * columns + column] > 0
                values += size
                segments += size > 0
    low, repeats = np.empty(values, np.uint16), np.empty(values, np.uint32)
    buckets, groups, sizes = np.empty(segments, np.uint16), np.empty(segments, np.uint8), np.empty(segments, np.uint32)
    at, to = 0, 0
    for bucket in range(BUCKETS):
        if used[bucket]:
            # The keys of negative scores are complements: their low bits are all ones.
            ones = 0 if bucket >= BUCKETS // 2 else (1 << HALF_BITS) - 1
            for column in range(first, last):
                before = at
                for part in range(_PARTS):
                    count = table[(bucket * _PARTS + part) * columns + column]
                    if count:
                        low[at], repeats[at] = np.uint16(part << HALF_BITS | ones), count
                        at += 1
                if at > before:
                    buckets[to], groups[to], sizes[to] = bucket, column - first, at - before
                    to += 1
    return low, repeats, buckets, groups, sizes


@compiled(nogil=True)
def clear(table: NDArray[np.uint32], used: NDArray[np.uint8], width: int) -> None:
    """Set the tables to 0; `width` is the number of entries of `table` per bucket."""
    for bucket in range(BUCKETS):
        if used[bucket]:
            table[bucket * width : (bucket + 1) * width] = 0
            used[bucket] = 0


@compiled(nogil=True)
def count_in_bins(
    low: NDArray[np.uint16],
    repeats: NDArray[np.uint32],
    buckets: NDArray[np.uint16],
    groups: NDArray[np.uint8],
    sizes: NDArray[np.uint32],
    pixels: NDArray[np.int64],
    edges: NDArray[np.uint32],
    first: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> None:
    """Add the pixels of all segments to counts [groups, bins]; the last bin is the one below all edges.

    Args:
        low: Low halves of keys, segment after segment.
        repeats: Number of pixels per low half; empty if it is one for each.
        buckets: High half of the keys of each segment.
        groups: Group of each segment.
        sizes: Number of low halves per segment.
        pixels: Number of pixels per segment.
        edges: The lowest key of each bin but the last, ascending.
        first: [2^16 + 1], the number of edges in lower buckets.
        counts: The counts, to which the pixels are added.
    """
    start = np.int64(0)
    for segment in range(buckets.size):
        stop = start + np.int64(sizes[segment])
        begin, end = first[buckets[segment]], first[np.int64(buckets[segment]) + 1]
        row = counts[groups[segment]]
        if begin == end:
            row[edges.size - begin] += pixels[segment]
        elif end - begin <= _FEW and not repeats.size:
            rest = pixels[segment]
            for edge in range(begin, end):
                limit = np.uint16(edges[edge] & np.uint32(_LOW))
                above = np.uint32(0)
                for i in range(start, stop):
                    above += np.uint32(low[i] >= limit)
                row[edges.size - edge] += rest - np.int64(above)
                rest = np.int64(above)
            row[edges.size - end] += rest
        else:
            high = np.uint32(buckets[segment]) << np.uint32(16)
            for i in range(start, stop):
                key = high | np.uint32(low[i])
                row[bin_of(key, edges, begin, end)] += np.int64(repeats[i]) if repeats.size else np.int64(1)
        start = stop


@numba.njit(inline="always")
def bin_of(key: Any, edges: NDArray[np.uint32], low: Any, high: Any) -> Any:
    """Return the number of edges above a key. The first `low` must not be above it, and those from `high` must be."""
    while low < high:
        middle = (low + high) >> 1
        if edges[middle] <= key:
            low = middle + 1
        else:
            high = middle
    return edges.size - low


@compiled(nogil=True)
def count_low(
    bits: NDArray[np.uint32], labels: NDArray[np.uint8], slot: NDArray[np.int32], counts: NDArray[np.int64], shift: int
) -> None:
    """Count keys in buckets with a slot, by label and by their last `shift` bits: counts [slots, labels, 2^shift]."""
    low = np.uint32((1 << shift) - 1)
    for i in range(bits.size):
        label = labels[i]
        if label <= ANOMALY:
            key = key_of(bits[i])
            place = slot[key >> np.uint32(shift)]
            if place >= 0:
                counts[place, label, key & low] += 1


@compiled(nogil=True)
def count_buckets(
    bits: NDArray[np.uint32], labels: NDArray[np.uint8], counts: NDArray[np.int64], shift: int
) -> tuple[int, int]:
    """Count keys by label and by all but their last `shift` bits: counts [2, 2^(32 - shift)].

    Labels are 0 (in-distribution), 1 (anomaly) or anything else (void).

    Returns:
        The numbers of void and NaN pixels.
    """
    void, broken = 0, 0
    for i in range(bits.size):
        label = labels[i]
        if label > ANOMALY:
            void += 1
            continue
        if (bits[i] & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000):
            broken += 1
        counts[label, key_of(bits[i]) >> np.uint32(shift)] += 1
    return void, broken


@compiled(nogil=True)
def refine(
    keys: NDArray[np.uint32],
    low: NDArray[np.uint16],
    buckets: NDArray[np.uint16],
    starts: NDArray[np.int64],
    sizes: NDArray[np.uint32],
    above: NDArray[np.int64],
    equal: NDArray[np.int64],
) -> None:
    """Count the low halves in the bucket of each distinct key that are higher than the key or equal to it.

    Args:
        keys: The distinct keys, descending.
        low: Low halves, segment after segment.
        buckets: The bucket of each segment, descending; several segments can have the same one.
        starts: The start of each segment in `low`.
        sizes: Number of low halves per segment.
        above: Counts of higher keys, to which the result is added, in the order of the keys.
        equal: Counts of equal keys, to which the result is added, in the order of the keys.
    """
    fine, coarse = np.zeros(BUCKETS, np.uint32), np.zeros(1 << 8, np.uint32)
    over = np.empty(BUCKETS, np.int64)
    segment, first = 0, 0
    while first < keys.size:
        bucket = keys[first] >> np.uint32(16)
        last = first
        while last < keys.size and keys[last] >> np.uint32(16) == bucket:
            last += 1
        while segment < buckets.size and buckets[segment] > bucket:
            segment += 1
        begin = segment
        pixels = np.int64(0)
        while segment < buckets.size and buckets[segment] == bucket:
            start, size = starts[segment], np.int64(sizes[segment])
            for value in low[start : start + size]:
                fine[value] += np.uint32(1)
                coarse[value >> 8] += np.uint32(1)
            pixels += size
            segment += 1
        if pixels:
            if last - first > _DENSE:
                total = np.int64(0)
                for level in range(BUCKETS - 1, -1, -1):
                    over[level] = total
                    total += fine[level]
                for query in range(first, last):
                    at = np.int64(keys[query] & np.uint32(_LOW))
                    above[query] += over[at]
                    equal[query] += fine[at]
            else:
                total = np.int64(0)
                level = BUCKETS - 1
                for query in range(first, last):
                    at = np.int64(keys[query] & np.uint32(_LOW))
                    while level > at:
                        if level & 0xFF == 0xFF and level - at > 0xFF:
                            total += coarse[level >> 8]
                            level -= 1 << 8
                        else:
                            total += fine[level]
                            level -= 1
                    above[query] += total
                    equal[query] += fine[at]
            if pixels < _SPARSE:
                for other in range(begin, segment):
                    for value in low[starts[other] : starts[other] + np.int64(sizes[other])]:
                        fine[value] = 0
            else:
                fine[:] = 0
            coarse[:] = 0
        first = last
