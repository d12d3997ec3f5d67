"""A table applied to the bytes of a label map, in place.

Neighbours are mostly alike: eight at a time are looked up, and only where they differ from the eight before.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oodbench.compiled import compiled

_EIGHT = 8


def apply_lookup_table(values: NDArray[np.uint8], table: NDArray[np.uint8], mark: int) -> bool:
    """Replace each value by its entry in the table.

    Args:
        values: uint8, contiguous, of any shape; changed in place.
        table: uint8 [256].
        mark: an entry to look out for.

    Returns:
        Whether that entry is among the new values.
    """
    flat = values.reshape(-1)
    whole = flat.size - flat.size % _EIGHT
    flat[whole:] = table[flat[whole:]]
    return bool(_eights(flat[:whole].view(np.uint64), table, mark)) or mark in flat[whole:]


@compiled(nogil=True)
def _eights(words: NDArray[np.uint64], table: NDArray[np.uint8], mark: int) -> bool:
    before = after = np.uint64(0)
    found = False
    for index in range(words.size):
        if index == 0 or words[index] != before:
            before, after = words[index], np.uint64(0)
            for place in range(_EIGHT):
                bits = np.uint64(8 * place)
                entry = table[(before >> bits) & np.uint64(255)]
                found |= entry == mark
                after |= np.uint64(entry) << bits
        words[index] = after
    return found
