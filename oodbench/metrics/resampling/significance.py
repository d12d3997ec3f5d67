"""Which of several sketches of the same frames differ, by more than another choice of frames would make them differ.

All are resampled together, frame by frame, so that what makes a frame hard for all of them cancels out. For a
difference d that is d* in B resamples, p = 2 (1 + the smaller of the numbers of d* <= 0 and of d* >= 0) / (B + 1), at
most 1: the percentile interval turned round, two-sided.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from oodbench.contracts import Difference
from oodbench.metrics.resampling.intervals import LEVEL, bootstrap_interval, bootstrap_metrics
from oodbench.metrics.resampling.sketches import Sketch

RESAMPLES = 9999


class PairedSketches:
    """Sketches of the same units, resampled together.

    Args:
        sketches: of one kind, with the same metrics.
        seed: of the resampling.
        resamples: B.
    """

    def __init__(self, sketches: Sequence[Sketch], seed: int, resamples: int = RESAMPLES) -> None:
        self.names = sketches[0].names
        self._units = sketches[0].units
        self._values = np.stack([sketch.metrics()[:, 0] for sketch in sketches])  # [sketches, M]
        self._drawn = bootstrap_metrics(
            lambda weights: np.stack([sketch.metrics(weights) for sketch in sketches]), self._units, resamples, seed
        )  # [sketches, M, B]

    def value(self, index: int, metric: str) -> float:
        """The metric of one sketch, all units once; NaN where undefined."""
        return float(self._values[index, self.names.index(metric)])

    def bounds(self, index: int, metric: str) -> tuple[float, float] | None:
        """Its interval at level .95."""
        return self._interval(self._drawn[index, self.names.index(metric)])

    def difference(self, first: int, second: int, metric: str) -> Difference:
        """Between two sketches, by their indices."""
        at = self.names.index(metric)
        drawn = self._drawn[second, at] - self._drawn[first, at]
        defined = drawn[~np.isnan(drawn)]
        least = min(np.count_nonzero(defined <= 0), np.count_nonzero(defined >= 0))
        return Difference(
            float(self._values[second, at] - self._values[first, at]),
            self._interval(drawn),
            min(1.0, 2 * (1 + int(least)) / (defined.size + 1)),
        )

    def _interval(self, drawn: NDArray[np.float64]) -> tuple[float, float] | None:
        interval = bootstrap_interval(lambda weights: weights[:, 0], drawn, self._units, "percentile", LEVEL)
        return None if isinstance(interval, str) else interval


def holm_correction(p: Sequence[float]) -> list[float]:
    """Corrected for their number, so that the chance of a single false one among all stays below the level.

    Holm 1979: the smallest of m is multiplied by m, the next one by m - 1, and so on, none below one before it.
    """
    corrected = [0.0] * len(p)
    largest = 0.0
    for step, index in enumerate(sorted(range(len(p)), key=lambda index: p[index])):
        largest = max(largest, min(1.0, (len(p) - step) * p[index]))
        corrected[index] = largest
    return corrected


def significance_ranks(count: int, better: Mapping[tuple[int, int], bool]) -> list[int]:
    """One more than the number of those that are significantly better; so those that nothing tells apart may share one.

    Args:
        count: how many there are.
        better: (i, j) -> i is significantly better than j; pairs that are left out are not.
    """
    return [1 + sum(better.get((other, index), False) for other in range(count)) for index in range(count)]
