"""A bounded sample of labelled pixels, the same number of each class where there are enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from oodbench.numerics.resize import resize_labels
from oodbench.types import VOID, SemanticLabels

if TYPE_CHECKING:
    from torch import Tensor


class ClassReservoir:
    """Up to `capacity` feature vectors of each class, drawn uniformly from all pixels of that class that came by.

    Each pixel gets a random key, and those with the smallest keys stay: a uniform sample without replacement, in
    memory that does not grow with the number of frames.

    Args:
        classes: how many classes there are.
        capacity: how many pixels of each to keep.
        seed: of the keys.
    """

    def __init__(self, classes: int, capacity: int, seed: int) -> None:
        self.capacity = capacity
        self.seen = np.zeros(classes, np.int64)
        self._keys = [np.empty(0)] * classes
        self._kept: list[Tensor | None] = [None] * classes
        self._rng = np.random.default_rng(seed)

    def add(self, features: Tensor, labels: SemanticLabels) -> None:
        """Take in one frame: features [D, h, w]; labels are brought to h x w by their nearest pixels."""
        import torch

        grid = resize_labels(labels.values, (features.shape[-2], features.shape[-1])).ravel()
        flat = features.detach().cpu().flatten(1).T  # [h * w, D]
        for index in np.unique(grid[grid != VOID]):
            where = np.flatnonzero(grid == index)
            self.seen[index] += where.size
            keys = self._rng.random(where.size)
            smallest = _smallest(keys, self.capacity)
            chosen = flat[torch.from_numpy(where[smallest])].to(torch.float32)
            kept = self._kept[index]
            keys = np.concatenate([self._keys[index], keys[smallest]])
            chosen = chosen if kept is None else torch.cat([kept, chosen])
            smallest = _smallest(keys, self.capacity)
            self._keys[index] = keys[smallest]
            self._kept[index] = chosen[torch.from_numpy(smallest)]

    def pixels(self, index: int) -> Tensor | None:
        """float32 [n, D], the sample of one class; None where no pixel of it was seen.

        In the order of their random keys, so that the first m are a uniform sample too.
        """
        return self._kept[index]


def _smallest(keys: np.ndarray, count: int) -> np.ndarray:
    """Positions of the `count` smallest keys, ascending by key."""
    return np.argsort(keys)[:count]
