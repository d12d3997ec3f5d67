"""One map of a set's scores onto half-precision numbers that keeps their order where metrics look.

Half precision has steps that grow with the score: where scores saturate, most of them become one number, and what was
ranked is tied. Metrics of ranks don't see a monotone map, so the scores may first be spread over the numbers that half
precision has. A level of the map holds pixels that lie next to each other in the order of the whole set: with c pixels
of the set that score higher, one pixel while c <= a, then a share 1/a of c, and at most r = 2 N / T of them, where N is
the number of pixels and T that of the levels. So levels lie densely in the upper tail, where precision is decided, and
nowhere more than 2/T of all pixels apart, which bounds the false positive rate. a follows from T:

    levels above c = c                            for c <= a
                     a (1 + ln(c / a))            for c <= a r
                     a (1 + ln r) + (c - a r) / r beyond,      a = T / (2 (1 + ln r))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oodbench.errors import ScoreError
from oodbench.metrics.counting import kernels
from oodbench.metrics.counting.ordered_keys import keys_of
from oodbench.types import ScoreMap

Scores = Callable[[], Iterable[ScoreMap]]
"""Gives the score maps of all frames, from the first, each time it is called."""

# The largest magnitude that is used is 32752: the difference of any two codes is a half too, so that an evaluator that
# interpolates between scores in half precision can't overflow.
_LARGEST = 0x77FF
LEVELS = 2 * _LARGEST + 1
"""T, the half-precision numbers from -32752 to 32752."""

_LOW_BITS = 8
_BUCKETS = 1 << (32 - _LOW_BITS)


@dataclass(frozen=True)
class HalfMap:
    """A non-decreasing map of float32 scores onto half-precision codes.

    Attributes:
        edges: uint32 [L], ascending: the smallest key of each level (oodbench.metrics.counting.ordered_keys).
        codes: float16 [L], strictly increasing.
    """

    edges: NDArray[np.uint32]
    codes: NDArray[np.float16]

    def __call__(self, score: ScoreMap) -> NDArray[np.float16]:
        """float32 [H, W] -> float16 [H, W]. What is below everything that was fitted has the lowest code."""
        level = np.searchsorted(self.edges, keys_of(score), side="right") - 1
        return self.codes[np.maximum(level, 0)]


def to_half(score: ScoreMap) -> NDArray[np.float16] | None:
    """The scores rounded to half precision; None where one of them is beyond its range."""
    with np.errstate(over="ignore"):
        half = score.astype(np.float16)
    return half if np.isfinite(half).all() else None


def is_half_precision(score: ScoreMap) -> bool:
    """Whether every score is a half-precision number already."""
    half = to_half(score)
    return half is not None and bool(np.array_equal(half.astype(np.float32), score))


def fit_half_map(read: Scores) -> HalfMap:
    """Fit the map of a set, in two passes and about 400 MB however large the set.

    The first pass counts keys by all but their last 8 bits; the second counts those out that fill more than a level.

    Args:
        read: the frames, float32 [H, W] each; called once for each pass.

    Raises:
        ScoreError: a frame has NaN, or there are no pixels.
    """
    coarse = np.zeros((1, _BUCKETS), np.int64)
    for score in read():
        _, broken = kernels.count_buckets(*_flat(score), coarse, _LOW_BITS)
        if broken:
            raise ScoreError(f"{broken} of {score.size} scores are NaN", "Score the frames again.")
    counts = coarse[0]
    total = int(counts.sum())
    if not total:
        raise ScoreError("there are no scores to fit a map on", "Expected one frame or more.")
    filled = np.flatnonzero(counts)
    above = total - np.cumsum(counts[filled])  # [B], pixels that score higher than each bucket
    spread = _levels_above(above + counts[filled], total) - _levels_above(above, total)
    wide = filled[spread > 1]
    fine = np.zeros((wide.size, 1, 1 << _LOW_BITS), np.int64)
    if wide.size:
        slot = np.full(_BUCKETS, -1, np.int32)
        slot[wide] = np.arange(wide.size, dtype=np.int32)
        for score in read():
            kernels.count_low(*_flat(score), slot, fine, _LOW_BITS)
    counts[wide] = 0
    whole = np.flatnonzero(counts)
    where, low = np.nonzero(fine[:, 0])
    keys = np.concatenate([whole << _LOW_BITS, wide[where] << _LOW_BITS | low])  # the smallest of each group
    sizes = np.concatenate([counts[whole], fine[where, 0, low]])
    order = np.argsort(keys)
    return _map(keys[order].astype(np.uint32), sizes[order])


def _flat(score: ScoreMap) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    """The bits of the scores, and one label for all of them."""
    bits = np.ascontiguousarray(score, np.float32).view(np.uint32).ravel()
    return bits, np.zeros(bits.size, np.uint8)


def _levels_above(above: NDArray[np.int64], total: int) -> NDArray[np.float64]:
    """How many levels lie above a pixel that so many of the `total` pixels outrank; under `LEVELS`."""
    spaces = LEVELS - 1
    widest = 2 * total / spaces  # r
    if widest <= 1:
        return above.astype(np.float64)
    single = spaces / (2 * (1 + np.log(widest)))  # a
    high = single * widest
    tail = single * (1 + np.log(np.clip(above, single, high) / single))
    levels: NDArray[np.float64] = np.where(above <= single, above, tail + np.maximum(above - high, 0) / widest)
    return levels


def _map(keys: NDArray[np.uint32], sizes: NDArray[np.int64]) -> HalfMap:
    """The map of groups of scores: the smallest key of each, ascending, and how many pixels it has."""
    total = int(sizes.sum())
    level = np.arange(keys.size)
    if keys.size > LEVELS:
        level = -np.floor(_levels_above(total - np.cumsum(sizes), total)).astype(np.int64)
    first = np.flatnonzero(np.diff(level, prepend=level[0] - 1))
    # Spread over all of the codes, both ends included.
    place = np.arange(first.size) * (LEVELS - 1) // max(first.size - 1, 1) - _LARGEST
    bits = np.where(place < 0, 0x8000 - place, place).astype(np.uint16)
    return HalfMap(keys[first], bits.view(np.float16))
