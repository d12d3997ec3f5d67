"""A bounded random sample of labelled pixels with an equal number per class, if there are enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from oodbench.numerics.resize import resize_labels
from oodbench.types import VOID, SemanticLabels

if TYPE_CHECKING:
    from torch import Tensor


class ClassReservoir:
    """Up to `capacity` feature vectors per class, sampled uniformly from all pixels of the class.

    Each pixel gets a random number, its key, and the pixels with the smallest keys are kept. They are a uniform sample
    without replacement. The memory does not grow with the number of frames.

    Args:
        classes: Number of classes.
        capacity: Maximum number of pixels per class.
        seed: Seed of the random keys.

    Attributes:
        capacity: Maximum number of pixels per class, as passed.
        pixel_counts: int64 [classes], number of all pixels that were added, whether they were kept or not.

    Examples:
        >>> import numpy as np
        >>> import torch
        >>> from oodbench.numerics import ClassReservoir
        >>> from oodbench.types import CITYSCAPES_19, SemanticLabels
        >>> reservoir = ClassReservoir(classes=19, capacity=5, seed=0)
        >>> reservoir.add(torch.rand(8, 4, 6), SemanticLabels(np.zeros((4, 6), np.uint8), CITYSCAPES_19))
        >>> list(reservoir.pixels(0).shape), reservoir.pixel_counts[0].item(), reservoir.pixels(1)
        ([5, 8], 24, None)
    """

    def __init__(self, classes: int, capacity: int, seed: int) -> None:
        self.capacity = capacity
        self.pixel_counts = np.zeros(classes, np.int64)
        self._keys = [np.empty(0)] * classes
        self._kept: list[Tensor | None] = [None] * classes
        self._rng = np.random.default_rng(seed)

    def add(self, features: Tensor, labels: SemanticLabels) -> None:
        """Add one frame.

        Args:
            features: float32 [D, h, w].
            labels: Labels at any resolution; each feature vector gets the label of its nearest pixel.
        """
        import torch

        grid = resize_labels(labels.values, (features.shape[-2], features.shape[-1])).ravel()
        flat = features.detach().cpu().flatten(1).T  # [h * w, D]
        for index in np.unique(grid[grid != VOID]):
            where = np.flatnonzero(grid == index)
            self.pixel_counts[index] += where.size
            keys = self._rng.random(where.size)
            smallest = _find_smallest(keys, self.capacity)
            chosen = flat[torch.from_numpy(where[smallest])].to(torch.float32)
            kept = self._kept[index]
            keys = np.concatenate([self._keys[index], keys[smallest]])
            chosen = chosen if kept is None else torch.cat([kept, chosen])
            smallest = _find_smallest(keys, self.capacity)
            self._keys[index] = keys[smallest]
            self._kept[index] = chosen[torch.from_numpy(smallest)]

    def pixels(self, index: int) -> Tensor | None:
        """Return the sample of one class.

        Args:
            index: Index of the class.

        Returns:
            float32 [n, D] in random order, so that the first m rows are a uniform sample, too; None if no pixel of the
            class was added.
        """
        return self._kept[index]


def _find_smallest(keys: np.ndarray, count: int) -> np.ndarray:
    """Return the positions of the `count` smallest keys, in ascending order of the keys."""
    return np.argsort(keys)[:count]
