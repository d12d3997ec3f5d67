"""The keys of one frame, filed: two bytes an in-distribution pixel, four an anomalous one."""

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
        low: uint16, low halves of in-distribution keys, bucket after bucket; inside one in no order.
        buckets: uint16, the high halves that occur, ascending.
        starts: int64, where each bucket begins in `low`, and the end.
        positive: uint32, keys of anomalous pixels.
    """

    low: NDArray[np.uint16]
    buckets: NDArray[np.uint16]
    starts: NDArray[np.int64]
    positive: NDArray[np.uint32]


class Filer:
    """Files frames in one pass: each bucket grows by a page where its last one is full, and is then put together.

    The pages are kept from frame to frame. They are made for the worst case, a page for each bucket that there could
    be; a page that is never written takes no memory.
    """

    def __init__(self) -> None:
        self._head = np.zeros(kernels.BUCKETS, np.uint32)
        self._pool = np.empty(0, np.uint16)
        self._link = np.empty(0, np.uint32)

    def block(self, bits: NDArray[np.uint32], labels: NDArray[np.uint8]) -> tuple[Block, tuple[int, int, int]]:
        """The frame's keys, and how many pixels are anomalous, void, NaN."""
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
    """The same in plain numpy: by sorting."""
    keys = np.sort(keys_of(bits[labels == IN_DISTRIBUTION].view(np.float32)))
    buckets, first = np.unique(keys >> np.uint32(16), return_index=True)
    positive = keys_of(bits[labels == ANOMALY].view(np.float32))
    starts = np.append(first, keys.size).astype(np.int64)
    return Block(keys.astype(np.uint16), buckets.astype(np.uint16), starts, positive), kernels.totals_numpy(
        bits, labels
    )
