"""In-place lookup table for the bytes of a label map.

Neighbouring labels are mostly equal, so eight pixels are looked up at once, and only if they differ from the previous
eight.
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
        mark: Entry to search for among the new values.

    Returns:
        Whether `mark` is among the new values.
    """
    flat = values.reshape(-1)
    whole = flat.size - flat.size % _EIGHT
    flat[whole:] = table[flat[whole:]]
    return bool(_replace_words(flat[:whole].view(np.uint64), table, mark)) or mark in flat[whole:]


@compiled(nogil=True)
def _replace_words(words: NDArray[np.uint64], table: NDArray[np.uint8], mark: int) -> bool:
    old_word = new_word = np.uint64(0)
    marked = False
    for index in range(words.size):
        if index == 0 or words[index] != old_word:
            old_word, new_word = words[index], np.uint64(0)
            for place in range(_EIGHT):
                bits = np.uint64(8 * place)
                entry = table[(old_word >> bits) & np.uint64(255)]
                marked |= entry == mark
                new_word |= np.uint64(entry) << bits
        words[index] = new_word
    return marked
