"""Mean and variance of a value per class, merged from the moments of single frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class ClassMoments:
    """The number, mean and variance of the values of each class, in double precision.

    The moments of each frame are merged into those of all frames before it (Chan, Golub, LeVeque, "Updating Formulae
    and a Pairwise Algorithm for Computing Sample Variances", 1979). The variance is not computed from a sum of squares,
    because subtracting the squared mean would lose precision. The result depends on the order of the frames in the last
    bits only.

    Args:
        classes: C, the number of classes.

    Attributes:
        count: int64 [C], number of values per class.
        mean: float64 [C], mean per class; 0 if a class has no values.

    Examples:
        >>> import numpy as np
        >>> from oodbench.numerics import ClassMoments
        >>> moments = ClassMoments(classes=2)
        >>> moments.merge(moments.of_frame(np.float32([[1.0, 3.0, 5.0]]), np.array([[0, 0, 1]], np.uint8)))
        >>> moments.mean.tolist(), moments.variance.tolist(), moments.pooled()[0]
        ([2.0, 5.0], [1.0, 0.0], 3.0)
    """

    def __init__(self, classes: int) -> None:
        self.count = np.zeros(classes, np.int64)
        self.mean = np.zeros(classes)
        self._squares = np.zeros(classes)  # the sum of the squared deviations from the mean

    def of_frame(self, values: NDArray[np.float32], classes: NDArray[np.uint8]) -> ClassMoments:
        """Return the moments of one frame alone, for the same classes.

        Args:
            values: float32 [H, W].
            classes: uint8 [H, W], the class of each value.
        """
        flat, index = values.ravel().astype(np.float64), classes.ravel()

        def add_up(weights: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
            return np.bincount(index, weights, minlength=len(self.count)).astype(np.float64)

        moments = ClassMoments(len(self.count))
        count = add_up()
        moments.mean = add_up(flat) / np.maximum(count, 1)
        moments._squares = add_up(np.square(flat - moments.mean[index]))
        moments.count = count.astype(np.int64)
        return moments

    def merge(self, other: ClassMoments) -> None:
        """Add the values of other moments.

        Args:
            other: Moments of the same classes, such as those of the next frame.
        """
        total = np.maximum(self.count + other.count, 1)
        gap = other.mean - self.mean
        count = other.count.astype(np.float64)
        self._squares += other._squares + np.square(gap) * self.count * count / total
        self.mean += gap * count / total
        self.count += other.count

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
