"""The keys of one frame grouped by bucket: two bytes per in-distribution pixel, four per anomalous pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oodbench.metrics.counting import kernels
from oodbench.metrics.counting.ordered_keys import keys_of
from oodbench.types import ANOMALY, IN_DISTRIBUTION


@dataclass(frozen=True)
class Block:
    """The keys of one frame.

    Attributes:
        low: uint16, low halves of in-distribution keys, bucket after bucket; unordered within a bucket.
        buckets: uint16, the high halves that occur, ascending.
        starts: int64, the start of each bucket in `low`, and the end of the last one.
        positive: uint32, keys of anomalous pixels.
    """

    low: NDArray[np.uint16]
    buckets: NDArray[np.uint16]
    starts: NDArray[np.int64]
    positive: NDArray[np.uint32]


class Filer:
    """Buffers that group the keys of frames by bucket in one pass.

    Each bucket grows by one page when its last page is full; the pages are then concatenated. The pages are reused for
    the next frame. They are allocated for the worst case, one page for each possible bucket; a page that is never
    written takes no memory.
    """

    def __init__(self) -> None:
        self._head = np.zeros(kernels.BUCKETS, np.uint32)
        self._pool = np.empty(0, np.uint16)
        self._link = np.empty(0, np.uint32)

    def block(self, bits: NDArray[np.uint32], labels: NDArray[np.uint8]) -> tuple[Block, tuple[int, int, int]]:
        """Return the block of a frame, and the numbers of its anomalous, void and NaN pixels.

        Args:
            bits: uint32, bits of the scores.
            labels: uint8, label of each pixel.
        """
        pages = bits.size // kernels.PAGE + min(kernels.BUCKETS, bits.size)
        if self._link.size < pages:
            self._pool, self._link = np.empty(pages * kernels.PAGE, np.uint16), np.empty(pages, np.uint32)
        positive = np.empty(bits.size, np.uint32)
        totals = kernels.append(bits, labels, self._head, self._pool, self._link, positive)
        buckets, starts = np.empty(kernels.BUCKETS, np.uint16), np.empty(kernels.BUCKETS + 1, np.int64)
        used = kernels.measure(self._head, self._link, buckets, starts)
        buckets, starts = buckets[:used].copy(), starts[: used + 1].copy()
        low = np.empty(int(starts[-1]), np.uint16)
        kernels.gather(self._head, self._pool, self._link, buckets, starts, low)
        return Block(low, buckets, starts, positive[: totals[0]].copy()), totals


def block_numpy(bits: NDArray[np.uint32], labels: NDArray[np.uint8]) -> tuple[Block, tuple[int, int, int]]:
    """Return the same as `Filer.block`, computed by sorting in plain numpy.

    Args:
        bits: uint32, bits of the scores.
        labels: uint8, label of each pixel.
    """
    keys = np.sort(keys_of(bits[labels == IN_DISTRIBUTION].view(np.float32)))
    buckets, first = np.unique(keys >> np.uint32(16), return_index=True)
    positive = keys_of(bits[labels == ANOMALY].view(np.float32))
    starts = np.append(first, keys.size).astype(np.int64)
    return Block(keys.astype(np.uint16), buckets.astype(np.uint16), starts, positive), kernels.totals_numpy(
        bits, labels
    )
