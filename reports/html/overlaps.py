"""Overlaps of two methods' anomalous pixels, counted at full resolution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from oodbench.types import ANOMALY, IN_DISTRIBUTION, AnomalyLabels


def count_overlaps(called: Sequence[NDArray[np.bool_] | None], labels: AnomalyLabels) -> NDArray[np.int64]:
    """Count the pixels of one frame that two methods both call anomalous.

    Args:
        called: bool [H, W] for each of n methods, or None if not known.
        labels: Labels of the same shape.

    Returns:
        int64 [2, n, n]: in-distribution and anomalous pixels called anomalous by both methods. The diagonal counts
        those of one method.
    """
    shared = np.zeros((2, len(called), len(called)), np.int64)
    for kind in (IN_DISTRIBUTION, ANOMALY):
        chosen = labels.values == kind
        bits = [None if pixels is None else np.packbits(pixels & chosen) for pixels in called]
        for i, first in enumerate(bits):
            for j, second in enumerate(bits[: i + 1]):
                if first is not None and second is not None:
                    shared[kind, i, j] = shared[kind, j, i] = np.bitwise_count(first & second).sum(dtype=np.int64)
    return shared
