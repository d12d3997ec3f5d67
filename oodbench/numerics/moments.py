"""Mean and variance of a value in each class, in one pass over frames that come one by one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class ClassMoments:
    """Count, mean and variance a class, in double precision.

    Each frame's own moments are merged into those so far (Chan, Golub, LeVeque, "Updating Formulae and a Pairwise
    Algorithm for Computing Sample Variances", 1979): no sum of squares, whose digits would cancel, is ever kept.

    Attributes:
        count: int64 [C], values seen.
        mean: float64 [C], 0 where there is none.
    """

    def __init__(self, classes: int) -> None:
        self.count = np.zeros(classes, np.int64)
        self.mean = np.zeros(classes)
        self._squares = np.zeros(classes)  # the sum of the squared deviations from the mean

    def add(self, values: NDArray[np.float32], classes: NDArray[np.uint8]) -> None:
        """Take in one frame: values [H, W], and the class [H, W] of each."""
        flat, index = values.ravel().astype(np.float64), classes.ravel()
        count = self._sums(index)
        mean = self._sums(index, flat) / np.maximum(count, 1)
        squares = self._sums(index, np.square(flat - mean[index]))
        total = np.maximum(self.count + count, 1)
        gap = mean - self.mean
        self._squares += squares + np.square(gap) * self.count * count / total
        self.mean += gap * count / total
        self.count += count.astype(np.int64)

    def _sums(self, index: NDArray[np.uint8], weights: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        return np.bincount(index, weights, minlength=len(self.count)).astype(np.float64)

    @property
    def variance(self) -> NDArray[np.float64]:
        """[C], the mean squared deviation; 0 where there is no value."""
        return np.asarray(self._squares / np.maximum(self.count, 1))

    def pooled(self) -> tuple[float, float]:
        """Mean and variance of all values, whatever their class; 0 where there is none."""
        total = max(int(self.count.sum()), 1)
        mean = float(self.count @ self.mean) / total
        squares = self._squares.sum() + self.count @ np.square(self.mean - mean)
        return mean, float(squares) / total
