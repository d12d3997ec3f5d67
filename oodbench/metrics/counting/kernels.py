"""Compiled inner loops of the exact counts. They release the GIL."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from oodbench.compiled import compiled
from oodbench.types import ANOMALY, IN_DISTRIBUTION

BUCKETS = 1 << 16
_LOW = (1 << 16) - 1
# Pixels whose places are computed together; their places fit into the first level of the cache.
_CHUNK = 2048
# Up to this number of edges, comparing all scores of a segment with each edge is faster than a binary search per score.
_FEW = 8
# Up to this number of pixels in a bucket, resetting their counts is faster than resetting all counts.
_SPARSE = 1 << 13
# Number of adjacent counts whose sum is computed once for all keys.
_BLOCK = 1 << 5


@numba.njit(inline="always")
def key_of(bits: Any) -> Any:
    """Return the order-preserving key of one score, given by its bits; `keys_of` does the same for arrays."""
    if bits == np.uint32(0x80000000):  # -0.0
        bits = np.uint32(0)
    return ~bits if bits & np.uint32(0x80000000) else bits | np.uint32(0x80000000)


@numba.njit
def _find_places(
    bits: NDArray[np.uint32],
    labels: NDArray[np.uint8],
    groups: NDArray[np.uint8],
    shift: int,
    columns: int,
    places: NDArray[np.uint32],
) -> None:
    """Write the place of each pixel in the table of `count_groups`, in operations of 32 bits for vector registers."""
    width, low = np.uint32(columns), np.uint32(shift)
    void, anomalous = np.uint32(columns << (32 - shift)), np.uint32((columns + 1) << (32 - shift))
    for i in range(bits.size):
        b = np.int32(bits[i])
        key = np.uint32(b ^ np.int32(np.int32(b >> np.int32(31)) | np.int32(-(1 << 31))))
        # The key of -0.0 is one less than that of 0.0.
        high = np.uint32(np.uint32(key >> low) + (bits[i] == np.uint32(0x80000000)))
        place = high
        if groups.size:
            place = np.uint32(np.uint32(high * width) + np.uint32(groups[i]))
        other = anomalous if labels[i] == ANOMALY else np.uint32(void + high)
        places[i] = place if labels[i] == IN_DISTRIBUTION else other


@compiled(nogil=True)
def count_groups(
    bits: NDArray[np.uint32],
    labels: NDArray[np.uint8],
    groups: NDArray[np.uint8],
    shift: int,
    columns: int,
    table: NDArray[np.uint32],
) -> None:
    """Count the pixels by label, key and group.

    Args:
        bits: uint32, bits of the scores of a frame.
        labels: uint8, 0 (in-distribution), 1 (anomaly) or anything else (void).
        groups: uint8, the group of each pixel, below `columns`; empty if all are in group 0.
        shift: Number of low bits of the key to ignore.
        columns: Number of groups.
        table: [(columns + 1) * 2^(32 - shift) + 1], all 0 before the call: the counts of in-distribution pixels by key
            and then group, those of void pixels by key, and the number of anomalous pixels.
    """
    places = np.empty(_CHUNK, np.uint32)
    for start in range(0, bits.size, _CHUNK):
        chunk = slice(start, min(start + _CHUNK, bits.size))
        part = places[: chunk.stop - start]
        _find_places(bits[chunk], labels[chunk], groups[chunk], shift, columns, part)
        for place in part:
            table[place] += np.uint32(1)


@compiled(nogil=True)
def fill_segments(
    bits: NDArray[np.uint32],
    labels: NDArray[np.uint8],
    groups: NDArray[np.uint8],
    columns: int,
    table: NDArray[np.uint32],
    low: NDArray[np.uint16],
    rest: NDArray[np.uint16],
) -> None:
    """Write the low halves of the keys into their segments, which start where `table` states.

    Args:
        bits: As for `count_groups`.
        labels: As for `count_groups`.
        groups: As for `count_groups`.
        columns: As for `count_groups`.
        table: The table of `count_groups`, with the start of each segment instead of its size.
        low: Output array for in-distribution pixels.
        rest: Output array for void and for anomalous pixels.
    """
    places, values = np.empty(_CHUNK, np.uint32), np.empty(_CHUNK, np.uint16)
    void = np.uint32(columns << 16)
    for start in range(0, bits.size, _CHUNK):
        chunk = slice(start, min(start + _CHUNK, bits.size))
        part = places[: chunk.stop - start]
        _find_places(bits[chunk], labels[chunk], groups[chunk], 16, columns, part)
        _find_low_halves(bits[chunk], values)
        for i in range(part.size):
            place = part[i]
            at = table[place]
            table[place] = at + np.uint32(1)
            if place < void:
                low[at] = values[i]
            else:
                rest[at] = values[i]


@numba.njit
def _find_low_halves(bits: NDArray[np.uint32], values: NDArray[np.uint16]) -> None:
    """Write the low half of each key."""
    for i in range(bits.size):
        b = np.int32(bits[i])
        key = np.uint32(b ^ np.int32(b >> np.int32(31)))
        values[i] = np.uint16(0) if bits[i] == np.uint32(0x80000000) else np.uint16(key)


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
    """Return the number of edges above a key; the first `low` are not above it, and those from `high` are."""
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


@numba.njit
def _sum_blocks(fine: NDArray[np.uint32], coarse: NDArray[np.uint32]) -> None:
    """Write the sum of each block of counts."""
    for block in range(coarse.size):
        total = np.uint32(0)
        for count in fine[block * _BLOCK : (block + 1) * _BLOCK]:
            total = np.uint32(total + count)
        coarse[block] = total


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
    fine, coarse = np.zeros(BUCKETS, np.uint32), np.zeros(BUCKETS // _BLOCK, np.uint32)
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
            pixels += size
            segment += 1
        if pixels:
            if pixels < _SPARSE:
                for other in range(begin, segment):
                    for value in low[starts[other] : starts[other] + np.int64(sizes[other])]:
                        coarse[value // _BLOCK] += np.uint32(1)
            else:
                _sum_blocks(fine, coarse)
            total = np.int64(0)  # in the blocks above the current one
            block = coarse.size - 1
            for query in range(first, last):
                at = np.int64(keys[query] & np.uint32(_LOW))
                own = at // _BLOCK
                while block > own:
                    total += coarse[block]
                    block -= 1
                rest = np.uint32(0)
                for count in fine[at + 1 : (own + 1) * _BLOCK]:
                    rest = np.uint32(rest + count)
                above[query] += total + np.int64(rest)
                equal[query] += fine[at]
            if pixels < _SPARSE:
                for other in range(begin, segment):
                    for value in low[starts[other] : starts[other] + np.int64(sizes[other])]:
                        fine[value] = 0
            else:
                fine[:] = 0
            coarse[:] = 0
        first = last
