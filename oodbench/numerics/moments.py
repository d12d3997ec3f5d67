"""Mean and variance of a value per class, in one pass over a stream of frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class ClassMoments:
    """The number, mean and variance of the values of each class, computed frame by frame in double precision.

    The mean and variance of each frame are merged into those of all frames so far (Chan, Golub, LeVeque, "Updating
    Formulae and a Pairwise Algorithm for Computing Sample Variances", 1979). The variance is not computed from a sum of
    squares, because subtracting the squared mean would lose precision.

    Args:
        classes: C, the number of classes.

    Attributes:
        count: int64 [C], number of values per class.
        mean: float64 [C], mean per class; 0 if a class has no values.

    Examples:
        >>> import numpy as np
        >>> from oodbench.numerics import ClassMoments
        >>> moments = ClassMoments(classes=2)
        >>> moments.add(np.float32([[1.0, 3.0, 5.0]]), np.array([[0, 0, 1]], np.uint8))
        >>> moments.mean.tolist(), moments.variance.tolist(), moments.pooled()[0]
        ([2.0, 5.0], [1.0, 0.0], 3.0)
    """

    def __init__(self, classes: int) -> None:
        self.count = np.zeros(classes, np.int64)
        self.mean = np.zeros(classes)
        self._squares = np.zeros(classes)  # the sum of the squared deviations from the mean

    def add(self, values: NDArray[np.float32], classes: NDArray[np.uint8]) -> None:
        """Add one frame.

        Args:
            values: float32 [H, W].
            classes: uint8 [H, W], the class of each value.
        """
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
        """The mean squared deviation per class, float64 [C]; 0 if a class has no values."""
        return np.asarray(self._squares / np.maximum(self.count, 1))

    def pooled(self) -> tuple[float, float]:
        """Return the mean and the variance of the values of all classes together; both are 0 without values."""
        total = max(int(self.count.sum()), 1)
        mean = float(self.count @ self.mean) / total
        squares = self._squares.sum() + self.count @ np.square(self.mean - mean)
        return mean, float(squares) / total
