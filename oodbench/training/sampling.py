"""Random draws of training frames.

The frame of a draw and its random augmentation depend only on the seed and on the draw's number. A resumed training
therefore continues with the same draws without repeating the earlier ones, and several processes share one order.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset, Sampler
from typing_extensions import override

from oodbench.errors import OodbenchError
from oodbench.stages.batching import read_semantic_labels
from oodbench.threads import open_pool
from oodbench.types import VOID, Frame

# Keys of independent random streams.
_ORDER, _AUGMENTATION = 0, 1


class ShuffledOrder:
    """Order in which each frame occurs once per epoch, shuffled again for each epoch.

    Args:
        frames: Number of frames.
        seed: Seed of the order.
    """

    def __init__(self, frames: int, seed: int) -> None:
        self._frames = frames
        self._shuffle = lru_cache(maxsize=2)(
            lambda epoch: np.random.default_rng([seed, _ORDER, epoch]).permutation(frames)
        )

    def __call__(self, draw: int) -> tuple[int, int | None]:
        """Return the frame of a draw, and None instead of a class."""
        epoch, position = divmod(draw, self._frames)
        return int(self._shuffle(epoch)[position]), None


class ClassBalancedOrder:
    """Order that samples a class uniformly, then a frame uniformly among those that contain the class.

    GMMSeg's released code does the same. Its released index covers COCO-Stuff only, and it is not known whether a frame
    needs a minimum number of pixels of a class.

    Args:
        frames: Maps each class to the indices of the frames that contain it, from `index_frames_by_class`.
        seed: Seed of the order.
    """

    def __init__(self, frames: Mapping[int, Sequence[int]], seed: int) -> None:
        self._frames, self._seed = list(frames.items()), seed

    def __call__(self, draw: int) -> tuple[int, int]:
        """Return the frame of a draw, and the class that it was sampled for."""
        rng = np.random.default_rng([self._seed, _ORDER, draw])
        wanted_class, frames = self._frames[int(rng.integers(len(self._frames)))]
        return frames[int(rng.integers(len(frames)))], wanted_class


def index_frames_by_class(
    labels: Sequence[Callable[[], NDArray[np.uint8]]], min_pixels: int = 1
) -> dict[int, list[int]]:
    """Return, for each class that occurs, the indices of the frames that contain it.

    Args:
        labels: One reader per frame, which returns uint8 [H, W]: class index or VOID per pixel.
        min_pixels: Minimum number of pixels of a class for a frame to count as containing it.
    """

    def count(read: Callable[[], NDArray[np.uint8]]) -> NDArray[np.int64]:
        return np.bincount(read().ravel(), minlength=256)

    with open_pool() as pool:
        counts_per_frame = list(pool.map(count, labels))
    frames: dict[int, list[int]] = {}
    for index, counts in enumerate(counts_per_frame):
        for value in np.flatnonzero(counts >= min_pixels).tolist():
            if value != VOID:
                frames.setdefault(value, []).append(index)
    return dict(sorted(frames.items()))


class TrainingFrames:
    """Readers of the frames of the training split.

    Args:
        frames: Frames of the split.
        cached: Whether to keep images and labels in memory. Rendering a synthetic frame takes longer than a step.

    Attributes:
        image: Function from the index of a frame to uint8 [H, W, 3], blue first, as MMSegmentation reads images.
        labels: Function from the index of a frame to uint8 [H, W], class index or VOID.
    """

    def __init__(self, frames: Sequence[Frame], *, cached: bool) -> None:
        def image(index: int) -> NDArray[np.uint8]:
            return np.ascontiguousarray(frames[index].read_image()[:, :, ::-1])

        def labels(index: int) -> NDArray[np.uint8]:
            return read_semantic_labels(frames[index]).values

        self.frames = frames
        self.image = lru_cache(maxsize=None)(image) if cached else image
        self.labels = lru_cache(maxsize=None)(labels) if cached else labels


class TransformedDraws(Dataset[Any]):
    """Frame per draw after MMSegmentation's transforms: `inputs`, and `data_samples` with the frame's name.

    Args:
        frames: Training frames.
        order: Function from a draw to the index of its frame, and the class that it was sampled for, if any.
        transforms: Transforms of MMSegmentation.
        seed: Seed of the random augmentation.
    """

    def __init__(
        self,
        frames: TrainingFrames,
        order: Callable[[int], tuple[int, int | None]],
        transforms: Sequence[Callable[[dict[str, Any]], dict[str, Any]]],
        seed: int,
    ) -> None:
        self._frames, self._order, self._transforms, self._seed = frames, order, transforms, seed

    @override
    def __getitem__(self, draw: int) -> dict[str, Any] | OodbenchError:
        index, wanted_class = self._order(draw)
        try:
            image, labels = self._frames.image(index), self._frames.labels(index)
        except OodbenchError as error:
            return error
        results: dict[str, Any] = {
            "img": image,
            "img_shape": image.shape[:2],
            "ori_shape": image.shape[:2],
            "img_path": self._frames.frames[index].id,
            "gt_seg_map": labels,
            "seg_fields": ["gt_seg_map"],
        }
        if wanted_class is not None:
            results["wanted_class"] = wanted_class
        # The transforms use the two global generators.
        states = random.getstate(), np.random.get_state()
        try:
            seeds = np.random.SeedSequence([self._seed, _AUGMENTATION, draw]).generate_state(4)
            np.random.seed(seeds)
            random.seed(int(seeds[0]))
            for transform in self._transforms:
                results = transform(results)
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])
        return results


class StepBatches(Sampler[list[int]]):
    """Sampler of the draws of each step, from step `start` on. Each process gets its share of a step.

    Args:
        start: First step.
        steps: Total number of steps.
        size: Draws per step, over all processes.
        rank: Rank of this process.
        processes: Number of processes; it divides `size`.
    """

    def __init__(self, start: int, steps: int, size: int, rank: int = 0, processes: int = 1) -> None:
        self._start, self._steps, self._size, self._rank, self._processes = start, steps, size, rank, processes

    @override
    def __iter__(self) -> Iterator[list[int]]:
        share = self._size // self._processes
        for step in range(self._start, self._steps):
            first = step * self._size + self._rank * share
            yield list(range(first, first + share))

    def __len__(self) -> int:
        return self._steps - self._start
