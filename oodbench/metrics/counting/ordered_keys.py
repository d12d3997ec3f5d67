"""Scores as unsigned integers in the same order, so that counting can stand in for sorting."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SIGN = np.uint32(0x80000000)

HALF_BITS = 13
"""A float32 that was born as a float16 or bfloat16 has this many zero bits at its low end (subnormals included)."""


def keys_of(scores: NDArray[np.float32]) -> NDArray[np.uint32]:
    """uint32 keys with key(a) < key(b) exactly where a < b; both zeros have one key. No NaN may be among the scores."""
    bits = (scores + np.float32(0)).view(np.uint32)  # -0.0 + 0.0 is 0.0
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)


def scores_of(keys: NDArray[np.uint32]) -> NDArray[np.float32]:
    """The scores that have these keys."""
    return np.where(keys & _SIGN, keys ^ _SIGN, ~keys).astype(np.uint32).view(np.float32)


def half_bins_to_keys(bins: NDArray[np.integer]) -> NDArray[np.uint32]:
    """The key of the one half-precision score in each bin `key >> HALF_BITS`."""
    keys = bins.astype(np.uint32) << np.uint32(HALF_BITS)
    # Keys of negative scores are complements: their low bits are all ones.
    return np.where(keys & _SIGN, keys, keys | np.uint32((1 << HALF_BITS) - 1))
