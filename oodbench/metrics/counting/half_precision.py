"""A map from a set's scores to half-precision numbers that preserves the order where metrics depend on it.

The step between half-precision numbers grows with the score. If scores saturate, most of them round to one number, and
their ranking becomes a tie. Rank metrics are invariant under a monotone map, so the scores can first be spread over the
half-precision numbers. Each level of the map holds pixels that are adjacent in the order of the whole set. Let N be the
number of pixels, T the number of levels, and c the number of pixels that score higher than a level. The level holds one
pixel while c <= a, then a share 1/a of c, and at most r = 2 N / T pixels. The levels are therefore dense in the upper
tail, which determines precision. They are never more than 2/T of all pixels apart, which bounds the error of the false
positive rate. a follows from T:

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
"""A function that returns the score maps of all frames, from the first, each time it is called."""

# The largest magnitude is 32752, so that the difference of any two codes is also a half-precision number. An evaluator
# that interpolates between scores in half precision can then not overflow.
_LARGEST = 0x77FF
LEVELS = 2 * _LARGEST + 1
"""T, the number of half-precision numbers from -32752 to 32752."""

_LOW_BITS = 8
_BUCKETS = 1 << (32 - _LOW_BITS)


@dataclass(frozen=True)
class HalfMap:
    """A conversion of float32 scores to float16 that keeps their order; call it with a score map.

    Rounding to float16 can make many scores equal, which changes the metrics. This conversion gives L groups of scores
    the L float16 values in `codes` instead. A higher score never gets a lower value.

    Attributes:
        edges: uint32 [L], ascending: the smallest score of each group, as an integer that has the same order as the
            score.
        codes: float16 [L], strictly increasing: the float16 value of each group.

    Examples:
        >>> import numpy as np
        >>> from oodbench.metrics import fit_half_map
        >>> score = np.float32([[1.0, 1.0000001, 1.0000002]])  # equal in half precision
        >>> half = fit_half_map(lambda: [score])(score)
        >>> half.dtype, bool((np.diff(half) > 0).all())
        (dtype('float16'), True)
    """

    edges: NDArray[np.uint32]
    codes: NDArray[np.float16]

    def __call__(self, score: ScoreMap) -> NDArray[np.float16]:
        """Convert float32 [H, W] to float16 [H, W]. Scores below all scores of the fit get the lowest float16 value."""
        level = np.searchsorted(self.edges, keys_of(score), side="right") - 1
        return self.codes[np.maximum(level, 0)]


def to_half(score: ScoreMap) -> NDArray[np.float16] | None:
    """Round scores to half precision (float16).

    Args:
        score: float32 [H, W].

    Returns:
        float16 [H, W]; None if a score is beyond the range of half precision, +-65504, or is not finite.

    Examples:
        >>> import numpy as np
        >>> from oodbench.metrics import to_half
        >>> to_half(np.float32([[0.5]])), to_half(np.float32([[1e6]]))
        (array([[0.5]], dtype=float16), None)
    """
    with np.errstate(over="ignore"):
        half = score.astype(np.float16)
    return half if np.isfinite(half).all() else None


def is_half_precision(score: ScoreMap) -> bool:
    """Return whether every score is already exact in half precision (float16).

    Args:
        score: float32 [H, W].

    Returns:
        True if rounding to float16 changes no score.

    Examples:
        >>> import numpy as np
        >>> from oodbench.metrics import is_half_precision
        >>> is_half_precision(np.float32([[0.5]])), is_half_precision(np.float32([[0.1]]))
        (True, False)
    """
    half = to_half(score)
    return half is not None and bool(np.array_equal(half.astype(np.float32), score))


def fit_half_map(read: Scores) -> HalfMap:
    """Fit a conversion to float16 that keeps the order of the scores, on the score maps of a set of frames.

    The fit reads the score maps twice and takes about 400 MB of memory for any number of frames. The first pass counts
    the scores by all but the last 8 of their 32 bits. The second pass counts all bits of those scores that need finer
    groups.

    Args:
        read: Function that returns all score maps, float32 [H, W] each; called once per pass.

    Returns:
        The conversion. Call it with a score map to get float16 [H, W].

    Raises:
        ScoreError: A score is NaN, or there are no pixels.

    Examples:
        >>> import numpy as np
        >>> from oodbench.metrics import fit_half_map
        >>> scores = [np.float32([[0.0, 1.0]]), np.float32([[2.0, 3.0]])]
        >>> half_map = fit_half_map(lambda: scores)
        >>> bool(half_map(scores[0]).max() < half_map(scores[1]).min())
        True
    """
    coarse = np.zeros((1, _BUCKETS), np.int64)
    for score in read():
        _, broken = kernels.count_buckets(*_flatten(score), coarse, _LOW_BITS)
        if broken:
            raise ScoreError(f"{broken} of {score.size} scores are NaN", "Score the frames again.")
    counts = coarse[0]
    total = int(counts.sum())
    if not total:
        raise ScoreError("there are no scores to fit a map on; expected at least one frame", "Pass one or more frames.")
    filled = np.flatnonzero(counts)
    above = total - np.cumsum(counts[filled])  # [B], pixels that score higher than each bucket
    spread = _levels_above(above + counts[filled], total) - _levels_above(above, total)
    wide = filled[spread > 1]
    fine = np.zeros((wide.size, 1, 1 << _LOW_BITS), np.int64)
    if wide.size:
        slot = np.full(_BUCKETS, -1, np.int32)
        slot[wide] = np.arange(wide.size, dtype=np.int32)
        for score in read():
            kernels.count_low(*_flatten(score), slot, fine, _LOW_BITS)
    counts[wide] = 0
    whole = np.flatnonzero(counts)
    where, low = np.nonzero(fine[:, 0])
    keys = np.concatenate([whole << _LOW_BITS, wide[where] << _LOW_BITS | low])  # the smallest key of each group
    sizes = np.concatenate([counts[whole], fine[where, 0, low]])
    order = np.argsort(keys)
    return _build_map(keys[order].astype(np.uint32), sizes[order])


def _flatten(score: ScoreMap) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    """Return the bits of the scores as a flat array, and one label for all of them."""
    bits = np.ascontiguousarray(score, np.float32).view(np.uint32).ravel()
    return bits, np.zeros(bits.size, np.uint8)


def _levels_above(above: NDArray[np.int64], total: int) -> NDArray[np.float64]:
    """Return the number of levels above a pixel if `above` of the `total` pixels score higher; less than `LEVELS`."""
    spaces = LEVELS - 1
    widest = 2 * total / spaces  # r
    if widest <= 1:
        return above.astype(np.float64)
    single = spaces / (2 * (1 + np.log(widest)))  # a
    high = single * widest
    tail = single * (1 + np.log(np.clip(above, single, high) / single))
    levels: NDArray[np.float64] = np.where(above <= single, above, tail + np.maximum(above - high, 0) / widest)
    return levels


def _build_map(keys: NDArray[np.uint32], sizes: NDArray[np.int64]) -> HalfMap:
    """Return the map for groups of scores, given the smallest key of each, ascending, and its number of pixels."""
    total = int(sizes.sum())
    level = np.arange(keys.size)
    if keys.size > LEVELS:
        level = -np.floor(_levels_above(total - np.cumsum(sizes), total)).astype(np.int64)
    first = np.flatnonzero(np.diff(level, prepend=level[0] - 1))
    # The levels are spread over all codes, including both ends.
    place = np.arange(first.size) * (LEVELS - 1) // max(first.size - 1, 1) - _LARGEST
    bits = np.where(place < 0, 0x8000 - place, place).astype(np.uint16)
    return HalfMap(keys[first], bits.view(np.float16))
