"""A bounded random sample of labelled pixels with an equal number per class, if there are enough."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from oodbench.errors import DataError
from oodbench.numerics.resize import resize_labels
from oodbench.types import VOID, SemanticLabels

if TYPE_CHECKING:
    from torch import Tensor


class ClassReservoir:
    """Up to `capacity` feature vectors per class, sampled uniformly from all pixels of the class.

    Each pixel gets a random number, its priority, and the pixels with the smallest priorities are kept. They are a
    uniform sample without replacement. A priority is a hash of the seed, the frame's id and the position of the pixel,
    so the sample does not depend on how the frames are divided among processes. The memory does not grow with the
    number of frames.

    Args:
        classes: Number of classes.
        capacity: Maximum number of pixels per class.
        seed: Seed of the priorities.

    Attributes:
        pixel_counts: int64 [classes], number of all pixels that were added, whether they were kept or not.

    Examples:
        >>> import numpy as np
        >>> import torch
        >>> from oodbench.numerics import ClassReservoir
        >>> from oodbench.types import CITYSCAPES_19, SemanticLabels
        >>> reservoir = ClassReservoir(classes=19, capacity=5, seed=0)
        >>> labels = SemanticLabels(np.zeros((4, 6), np.uint8), CITYSCAPES_19)
        >>> reservoir.merge(reservoir.of_frame(torch.rand(8, 4, 6), labels, "frame-1"))
        >>> list(reservoir.pixels(0).shape), reservoir.pixel_counts[0].item(), reservoir.pixels(1)
        ([5, 8], 24, None)
    """

    def __init__(self, classes: int, capacity: int, seed: int) -> None:
        self.pixel_counts = np.zeros(classes, np.int64)
        self._capacity, self._seed = capacity, seed
        # Maps a class to the priorities of its pixels, uint64 [n] ascending, and their features, float32 [n, D].
        self._kept: dict[int, tuple[NDArray[np.uint64], NDArray[np.float32]]] = {}

    def of_frame(self, features: Tensor, labels: SemanticLabels, frame: str) -> ClassReservoir:
        """Return the sample of one frame alone, with the same capacity and seed.

        Args:
            features: float32 [D, h, w].
            labels: Labels at any resolution; each feature vector gets the label of its nearest pixel.
            frame: The id of the frame.

        Raises:
            DataError: A feature in the sample is NaN or infinite.
        """
        sample = ClassReservoir(len(self.pixel_counts), self._capacity, self._seed)
        grid = resize_labels(labels.values, (features.shape[-2], features.shape[-1])).ravel()
        flat = features.detach().cpu().flatten(1).float().numpy()  # [D, h * w]
        priorities = _hash_pixels(self._seed, frame, grid.size)
        for index in np.unique(grid[grid != VOID]).tolist():
            pixels = np.flatnonzero(grid == index)
            sample.pixel_counts[index] = pixels.size
            chosen = pixels[_find_smallest(priorities[pixels], self._capacity)]
            points = np.ascontiguousarray(flat[:, chosen].T)
            if not np.isfinite(points).all():
                raise DataError(
                    f"{frame}: the network's features of this frame to fit on are NaN or infinite",
                    "Check the preprocessing in the model card and the network's weights.",
                )
            sample._kept[index] = priorities[chosen], points
        return sample

    def merge(self, other: ClassReservoir) -> None:
        """Add the sample of other frames.

        Args:
            other: A reservoir of the same classes, capacity and seed, such as the sample of the next frame.
        """
        self.pixel_counts += other.pixel_counts
        for index, (priorities, points) in other._kept.items():
            if index in self._kept:
                priorities = np.concatenate([self._kept[index][0], priorities])
                points = np.concatenate([self._kept[index][1], points])
            smallest = _find_smallest(priorities, self._capacity)
            self._kept[index] = priorities[smallest], points[smallest]

    def pixels(self, index: int) -> Tensor | None:
        """Return the sample of one class.

        Args:
            index: Index of the class.

        Returns:
            float32 [n, D] in random order, so that the first m rows are a uniform sample, too; None if no pixel of the
            class was added.
        """
        import torch

        return torch.from_numpy(self._kept[index][1]) if index in self._kept else None


def _hash_pixels(seed: int, frame: str, count: int) -> NDArray[np.uint64]:
    """Return the priorities of the pixels 0 .. count - 1 of a frame, uint64 [count].

    They are the outputs of the generator SplitMix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number
    Generators", OOPSLA 2014), which starts at a hash of the seed and the frame.
    """
    start = hashlib.blake2b(f"{seed} {frame}".encode("utf-8", "surrogateescape"), digest_size=8).digest()
    values = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)  # modulo 2^64
    values += np.frombuffer(start, "<u8")
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _find_smallest(priorities: NDArray[np.uint64], count: int) -> NDArray[np.intp]:
    """Return the positions of the `count` smallest priorities, in ascending order of the priorities."""
    return np.argsort(priorities, kind="stable")[:count]
