"""On how many pixels two methods call anomalous what the other does not, counted at full resolution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from oodbench.types import ANOMALY, IN_DISTRIBUTION, AnomalyLabels


def count_overlaps(called: Sequence[NDArray[np.bool_] | None], labels: AnomalyLabels) -> NDArray[np.int64]:
    """Of one frame.

    Args:
        called: bool [H, W] of each of n methods; None: not known.
        labels: of the same shape.

    Returns:
        int64 [2, n, n]: in-distribution and anomalous pixels that both call anomalous; the diagonal has those that one
        does.
    """
    shared = np.zeros((2, len(called), len(called)), np.int64)
    for kind in (IN_DISTRIBUTION, ANOMALY):
        chosen = labels.values == kind
        bits = [None if one is None else np.packbits(one & chosen) for one in called]
        for i, first in enumerate(bits):
            for j, second in enumerate(bits[: i + 1]):
                if first is not None and second is not None:
                    shared[kind, i, j] = shared[kind, j, i] = np.bitwise_count(first & second).sum(dtype=np.int64)
    return shared
