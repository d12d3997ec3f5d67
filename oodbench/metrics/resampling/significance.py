"""Significance tests of the differences between several sketches of the same frames.

All sketches are resampled together, frame by frame, so that the difficulty of a frame, which all share, cancels out.
With the difference d* in each of B resamples, p = 2 (1 + the smaller of the numbers of d* <= 0 and of d* >= 0) /
(B + 1), at most 1. This is the two-sided p-value that corresponds to the percentile interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from oodbench.contracts import Difference
from oodbench.metrics.resampling.intervals import LEVEL, bootstrap_interval, bootstrap_metrics
from oodbench.metrics.resampling.sketches import Sketch

RESAMPLES = 9999


class PairedSketches:
    """Sketches of the same units, resampled together.

    Args:
        sketches: Sketches of one kind, with the same metrics.
        seed: Seed of the resampling.
        resamples: B, the number of resamples.
    """

    def __init__(self, sketches: Sequence[Sketch], seed: int, resamples: int = RESAMPLES) -> None:
        self.names = sketches[0].names
        self._units = sketches[0].units
        self._values = np.stack([sketch.metrics()[:, 0] for sketch in sketches])  # [sketches, M]
        self._distributions = bootstrap_metrics(
            lambda weights: np.stack([sketch.metrics(weights) for sketch in sketches]), self._units, resamples, seed
        )  # [sketches, M, B]

    def difference(self, first: int, second: int, metric: str) -> Difference:
        """Return the difference in a metric between two sketches, given by their indices."""
        at = self.names.index(metric)
        distribution = self._distributions[second, at] - self._distributions[first, at]
        interval = bootstrap_interval(lambda weights: weights[:, 0], distribution, self._units, "percentile", LEVEL)
        defined = distribution[~np.isnan(distribution)]
        least = min(np.count_nonzero(defined <= 0), np.count_nonzero(defined >= 0))
        return Difference(
            float(self._values[second, at] - self._values[first, at]),
            None if isinstance(interval, str) else interval,
            min(1.0, 2 * (1 + int(least)) / (defined.size + 1)),
        )


def holm_correction(p: Sequence[float]) -> list[float]:
    """Correct p-values for multiple comparisons by Holm's method.

    The correction keeps the probability of any false positive among all tests below the level. Holm 1979: the smallest
    of m is multiplied by m, the next one by m - 1, and so on; none may be smaller than the one before it.

    Args:
        p: The p-values.
    """
    corrected = [0.0] * len(p)
    largest = 0.0
    for step, index in enumerate(sorted(range(len(p)), key=lambda index: p[index])):
        largest = max(largest, min(1.0, (len(p) - step) * p[index]))
        corrected[index] = largest
    return corrected


def significance_ranks(count: int, better: Mapping[tuple[int, int], bool]) -> list[int]:
    """Return the rank of each entry: 1 + the number of entries that are significantly better.

    Entries whose difference is not significant may share a rank.

    Args:
        count: Number of entries.
        better: (i, j) -> whether i is significantly better than j; missing pairs count as not significant.
    """
    return [1 + sum(better.get((other, index), False) for other in range(count)) for index in range(count)]
