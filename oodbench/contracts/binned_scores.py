"""Scores of a result's frames, counted in bins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class BinnedScores:
    """The pixels of each frame of a result, counted in K ranges of scores.

    The number of pixels that score at least the lowest score of a range is exact.

    Attributes:
        lowest: float32 [K - 1], descending: the lowest score of each range but the last, which has all lower scores.
        counts: int64 [F, 2, K], the in-distribution and the anomalous pixels of each of F frames in each range.

    Examples:
        >>> import oodbench
        >>> run = oodbench.run(
        ...     models="streets-softmax", methods="msp", benchmarks="streets-anomaly", limit=1, id_limit=1,
        ...     stop_after="evaluate", out="run",
        ... )
        >>> binned = run.binned_scores(run.results[0])
        >>> binned.counts.shape[:2], binned.counts.shape[2] == binned.lowest.size + 1
        ((1, 2), True)
    """

    lowest: NDArray[np.float32]
    counts: NDArray[np.int64]
