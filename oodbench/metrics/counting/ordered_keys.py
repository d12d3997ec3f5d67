"""Order-preserving conversion of scores to unsigned integers, so that counting can replace sorting."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SIGN = np.uint32(0x80000000)

HALF_BITS = 13
"""Number of zero bits at the low end of a float32 that was a float16 or bfloat16 (subnormals included)."""


def keys_of(scores: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Return uint32 keys with key(a) < key(b) exactly if a < b; both zeros have one key. The scores must not be NaN."""
    bits = (scores + np.float32(0)).view(np.uint32)  # -0.0 + 0.0 is 0.0
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)


def scores_of(keys: NDArray[np.uint32]) -> NDArray[np.float32]:
    """Return the scores that have these keys."""
    return np.where(keys & _SIGN, keys ^ _SIGN, ~keys).astype(np.uint32).view(np.float32)


def half_bins_to_keys(bins: NDArray[np.integer]) -> NDArray[np.uint32]:
    """Return the key of the one half-precision score in each bin `key >> HALF_BITS`."""
    keys = bins.astype(np.uint32) << np.uint32(HALF_BITS)
    # The keys of negative scores are complements: their low bits are all ones.
    return np.where(keys & _SIGN, keys, keys | np.uint32((1 << HALF_BITS) - 1))


def count_edges_below(edges: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Return int64 [2^16 + 1], the number of keys in `edges`, ascending, whose high half is below 0, 1, ..."""
    return np.searchsorted(edges >> np.uint32(16), np.arange((1 << 16) + 1)).astype(np.int64)
