"""Random choices of the world. Only uniform draws, whose stream of bits is the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


class Dice:
    """Draws that depend on the numbers in `key` alone."""

    def __init__(self, *key: int) -> None:
        self._bits = np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))

    def uniform(self, low: float, high: float) -> float:
        """A number in [low, high)."""
        return low + (high - low) * float(self._bits.random())

    def uniforms(self, count: int, low: float = 0.0, high: float = 1.0) -> NDArray[np.float64]:
        """float64 [count] in [low, high)."""
        return low + (high - low) * self._bits.random(count)

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return float(self._bits.random()) < probability

    def integer(self, low: int, high: int) -> int:
        """One of low, low + 1, ..., high."""
        return low + min(int(self._bits.random() * (high - low + 1)), high - low)

    def pick(self, options: Sequence[T]) -> T:
        """One of the options, all as likely."""
        return options[self.integer(0, len(options) - 1)]

    def weighted(self, options: Sequence[tuple[T, float]]) -> T:
        """One of the options by their weights."""
        mark = self.uniform(0, sum(weight for _, weight in options))
        for option, weight in options:
            mark -= weight
            if mark < 0:
                return option
        return options[-1][0]
