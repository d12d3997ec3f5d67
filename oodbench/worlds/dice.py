"""Random choices of the world. Only uniform random numbers are used: their bits are identical on all machines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


class Dice:
    """Random choices that depend only on the numbers in `key`."""

    def __init__(self, *key: int) -> None:
        self._bits = np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))

    def uniform(self, low: float, high: float) -> float:
        """Return a number in [low, high)."""
        return low + (high - low) * float(self._bits.random())

    def uniforms(self, count: int, low: float = 0.0, high: float = 1.0) -> NDArray[np.float64]:
        """Return numbers in [low, high), float64 [count]."""
        return low + (high - low) * self._bits.random(count)

    def chance(self, probability: float) -> bool:
        """Return True with this probability."""
        return float(self._bits.random()) < probability

    def integer(self, low: int, high: int) -> int:
        """Return one of low, low + 1, ..., high with equal probability."""
        return low + min(int(self._bits.random() * (high - low + 1)), high - low)

    def pick(self, options: Sequence[T]) -> T:
        """Return one of the options with equal probability."""
        return options[self.integer(0, len(options) - 1)]

    def weighted(self, options: Sequence[tuple[T, float]]) -> T:
        """Return one of the options, with probabilities proportional to their weights."""
        mark = self.uniform(0, sum(weight for _, weight in options))
        for option, weight in options:
            mark -= weight
            if mark < 0:
                return option
        return options[-1][0]
