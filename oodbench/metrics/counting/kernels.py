"""Compiled inner loops of the exact counts, and their equivalents in plain numpy. Both give the same integers."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from oodbench.compiled import compiled
from oodbench.metrics.counting.ordered_keys import HALF_BITS, keys_of
from oodbench.types import ANOMALY, IN_DISTRIBUTION

BUCKETS = 1 << 16
PAGE = 512
_LOW = (1 << 16) - 1


@numba.njit(inline="always")
def key_of(bits: Any) -> Any:
    """Return the order-preserving key of one score, given by its bits; `keys_of` does the same for arrays."""
    if bits == np.uint32(0x80000000):  # -0.0
        bits = np.uint32(0)
    return ~bits if bits & np.uint32(0x80000000) else bits | np.uint32(0x80000000)


@compiled()
def append(
    bits: NDArray[np.uint32],
    labels: NDArray[np.uint8],
    head: NDArray[np.uint32],
    pool: NDArray[np.uint16],
    link: NDArray[np.uint32],
    positive: NDArray[np.uint32],
) -> tuple[int, int, int]:
    """Store the low halves of in-distribution keys in pages of their bucket, and anomalous keys in a list.

    Args:
        bits: uint32, bits of the scores of a frame.
        labels: uint8, 0 (in-distribution), 1 (anomaly) or anything else (void).
        head: [2^16], the index after the last entry of each bucket, 0 for an empty bucket; all 0 before the call.
        pool: The pages, one after another.
        link: For each page, the value of `head` before the page was added.
        positive: Output array for the anomalous keys.

    Returns:
        The numbers of anomalous, void and NaN pixels.
    """
    anomalous, void, broken = 0, 0, 0
    pages = 0
    for i in range(bits.size):
        label = labels[i]
        if label > ANOMALY:
            void += 1
            continue
        b = bits[i]
        if (b & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000):
            broken += 1
        key = key_of(b)
        if label == ANOMALY:
            positive[anomalous] = key
            anomalous += 1
        else:
            bucket = key >> np.uint32(16)
            at = head[bucket]
            if at & (PAGE - 1) == 0:  # the page is full, or there is none yet
                link[pages] = at
                at = np.uint32(pages * PAGE)
                pages += 1
            pool[at] = np.uint16(key & np.uint32(0xFFFF))
            head[bucket] = at + np.uint32(1)
    return anomalous, void, broken


@compiled()
def measure(
    head: NDArray[np.uint32], link: NDArray[np.uint32], buckets: NDArray[np.uint16], starts: NDArray[np.int64]
) -> int:
    """Write the buckets that `append` used, ascending, and the start of each; return their number."""
    used, total = 0, np.int64(0)
    for bucket in range(BUCKETS):
        at = np.int64(head[bucket])
        if at == 0:
            continue
        buckets[used], starts[used] = bucket, total
        used += 1
        while at != 0:
            page = (at - 1) // PAGE
            total += at - page * PAGE
            at = np.int64(link[page])
    starts[used] = total
    return used


@compiled()
def gather(
    head: NDArray[np.uint32],
    pool: NDArray[np.uint16],
    link: NDArray[np.uint32],
    buckets: NDArray[np.uint16],
    starts: NDArray[np.int64],
    low: NDArray[np.uint16],
) -> None:
    """Concatenate the pages of each bucket in `low`, and reset `head` to 0."""
    for used in range(buckets.size):
        at = np.int64(head[buckets[used]])
        to = starts[used]
        while at != 0:
            page = (at - 1) // PAGE
            size = at - page * PAGE
            low[to : to + size] = pool[page * PAGE : at]
            to += size
            at = np.int64(link[page])
        head[buckets[used]] = 0


@compiled()
def count_halves(bits: NDArray[np.uint32], labels: NDArray[np.uint8], dense: NDArray[np.int64]) -> tuple[int, int, int]:
    """Count keys by label and by all bits that a half-precision score can have: dense [2, 2^19].

    Returns:
        The numbers of anomalous, void and NaN pixels.
    """
    anomalous, void, broken = 0, 0, 0
    for i in range(bits.size):
        label = labels[i]
        if label > ANOMALY:
            void += 1
            continue
        if (bits[i] & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000):
            broken += 1
        anomalous += label
        dense[label, key_of(bits[i]) >> np.uint32(HALF_BITS)] += 1
    return anomalous, void, broken


@compiled()
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


@compiled()
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


@compiled()
def refine(
    keys: NDArray[np.uint32],
    lows: Any,
    buckets: Any,
    starts: Any,
    above: NDArray[np.int64],
    equal: NDArray[np.int64],
) -> None:
    """Count the low halves in the bucket of each distinct key that are higher than the key or equal to it.

    Args:
        keys: The distinct keys, descending.
        lows: For each block, the low halves grouped by bucket.
        buckets: For each block, its buckets, ascending.
        starts: For each block, the start of each bucket.
        above: Counts of higher keys, to which the result is added, in the order of the keys.
        equal: Counts of equal keys, to which the result is added, in the order of the keys.
    """
    histogram = np.zeros(BUCKETS, np.uint32)
    # The keys descend through the buckets, and so does the position in each block.
    place = np.empty(len(lows), np.int64)
    for block in range(len(lows)):
        place[block] = len(buckets[block]) - 1
    first = 0
    while first < keys.size:
        bucket = keys[first] >> np.uint32(16)
        last = first
        while last < keys.size and keys[last] >> np.uint32(16) == bucket:
            last += 1
        occupied = False
        for block in range(len(lows)):
            present = buckets[block]
            where = place[block]
            while where >= 0 and present[where] > bucket:
                where -= 1
            place[block] = where
            if where >= 0 and present[where] == bucket:
                occupied = True
                values = lows[block]
                for i in range(starts[block][where], starts[block][where + 1]):
                    histogram[values[i]] += np.uint32(1)
        if occupied:
            total = np.int64(0)
            level = BUCKETS - 1
            for query in range(first, last):
                low = np.int64(keys[query] & np.uint32(0xFFFF))
                while level > low:
                    total += histogram[level]
                    level -= 1
                above[query] += total
                equal[query] += histogram[low]
            histogram[:] = 0
        first = last


# Equivalents in plain numpy, for machines that numba does not support and as a check of the loops above.


def totals_numpy(bits: NDArray[np.uint32], labels: NDArray[np.uint8]) -> tuple[int, int, int]:
    """Return the numbers of anomalous, void and NaN pixels."""
    magnitude = bits[labels <= ANOMALY] & np.uint32(0x7FFFFFFF)
    broken = int(np.count_nonzero(magnitude > np.uint32(0x7F800000)))
    return int(np.count_nonzero(labels == ANOMALY)), labels.size - magnitude.size, broken


def count_halves_numpy(
    bits: NDArray[np.uint32], labels: NDArray[np.uint8], dense: NDArray[np.int64]
) -> tuple[int, int, int]:
    """Count keys as `count_halves` does."""
    for label in (IN_DISTRIBUTION, ANOMALY):
        keys = keys_of(bits[labels == label].view(np.float32))
        dense[label] += np.bincount(keys >> np.uint32(HALF_BITS), minlength=dense.shape[1])
    return totals_numpy(bits, labels)


def refine_numpy(
    keys: NDArray[np.uint32], lows: Any, buckets: Any, starts: Any, above: NDArray[np.int64], equal: NDArray[np.int64]
) -> None:
    """Count low halves as `refine` does."""
    top = (keys >> np.uint32(16)).astype(np.int64)
    for bucket in np.unique(top):
        parts = []
        for low, present, start in zip(lows, buckets, starts, strict=True):
            where = int(np.searchsorted(present, bucket))
            if where < present.size and present[where] == bucket:
                parts.append(low[start[where] : start[where + 1]])
        if parts:
            values = np.sort(np.concatenate(parts))
            chosen = top == bucket
            query = (keys[chosen] & np.uint32(_LOW)).astype(np.uint16)
            right = np.searchsorted(values, query, side="right")
            above[chosen] += values.size - right
            equal[chosen] += right - np.searchsorted(values, query, side="left")
