"""Draws of training frames: which frame a draw takes is a function of the seed and its number, and so is what chance
does to it. A resumed training therefore goes on with the draws that it would have come to, without making the others
again, and several processes share one order.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset, Sampler

from oodbench.errors import OodbenchError
from oodbench.stages.batching import read_semantic_labels
from oodbench.types import VOID, Frame

# Streams of chance that don't meet.
_ORDER, _CHANGES = 0, 1


class InTurn:
    """Each frame once a round, in an order of its own."""

    def __init__(self, frames: int, seed: int) -> None:
        self._frames = frames
        self._round = lru_cache(maxsize=2)(lambda turn: np.random.default_rng([seed, _ORDER, turn]).permutation(frames))

    def __call__(self, draw: int) -> tuple[int, int | None]:
        """The frame of that draw, and no class."""
        turn, place = divmod(draw, self._frames)
        return int(self._round(turn)[place]), None


class Balanced:
    """A class, drawn uniformly, then a frame, drawn uniformly among those that have it, as GMMSeg's released code does.

    The index that was released is of COCO-Stuff alone; whether it asked for a least number of pixels is not known.

    Args:
        frames: class -> the frames that have it, of `frames_by_class`.
        seed: of the order.
    """

    def __init__(self, frames: Mapping[int, Sequence[int]], seed: int) -> None:
        self._frames, self._seed = list(frames.items()), seed

    def __call__(self, draw: int) -> tuple[int, int]:
        """The frame of that draw, and the class."""
        rng = np.random.default_rng([self._seed, _ORDER, draw])
        wanted, frames = self._frames[int(rng.integers(len(self._frames)))]
        return frames[int(rng.integers(len(frames)))], wanted


def frames_by_class(labels: Sequence[Callable[[], NDArray[np.uint8]]], least_pixels: int = 1) -> dict[int, list[int]]:
    """Class -> the places in `labels` of the frames in which it has that many pixels; of classes that are there.

    Args:
        labels: what reads a frame's labels: the class at each pixel, or VOID.
        least_pixels: at least.
    """

    def count(read: Callable[[], NDArray[np.uint8]]) -> NDArray[np.int64]:
        return np.bincount(read().ravel(), minlength=256)

    with ThreadPoolExecutor() as pool:
        counted = list(pool.map(count, labels))
    found: dict[int, list[int]] = {}
    for place, counts in enumerate(counted):
        for value in np.flatnonzero(counts >= least_pixels).tolist():
            if value != VOID:
                found.setdefault(value, []).append(place)
    return dict(sorted(found.items()))


class Pixels:
    """The frames of the training split, read.

    Args:
        frames: those.
        kept: keep what was read: of frames that are drawn, which takes longer than a step.

    Attributes:
        image: place of a frame -> uint8 [H, W, 3], blue first, as MMSegmentation reads images.
        labels: place of a frame -> uint8 [H, W].
    """

    def __init__(self, frames: Sequence[Frame], *, kept: bool) -> None:
        def image(index: int) -> NDArray[np.uint8]:
            return np.ascontiguousarray(frames[index].read_image()[:, :, ::-1])

        def labels(index: int) -> NDArray[np.uint8]:
            return read_semantic_labels(frames[index]).values

        self.frames = frames
        self.image = lru_cache(maxsize=None)(image) if kept else image
        self.labels = lru_cache(maxsize=None)(labels) if kept else labels


class Draws(Dataset[Any]):
    """What MMSegmentation's transforms make of a draw's frame: `inputs` and `data_samples`, which names the frame.

    Args:
        pixels: of the training split.
        order: draw -> frame, and the class for which it was drawn.
        steps: the transforms, built.
        seed: of what they do by chance.
    """

    def __init__(
        self,
        pixels: Pixels,
        order: Callable[[int], tuple[int, int | None]],
        steps: Sequence[Callable[[dict[str, Any]], dict[str, Any]]],
        seed: int,
    ) -> None:
        self._pixels, self._order, self._steps, self._seed = pixels, order, steps, seed

    def __getitem__(self, draw: int) -> dict[str, Any] | OodbenchError:
        index, wanted = self._order(draw)
        try:
            image, labels = self._pixels.image(index), self._pixels.labels(index)
        except OodbenchError as error:
            return error
        results: dict[str, Any] = {
            "img": image,
            "img_shape": image.shape[:2],
            "ori_shape": image.shape[:2],
            "img_path": self._pixels.frames[index].id,
            "gt_seg_map": labels,
            "seg_fields": ["gt_seg_map"],
        }
        if wanted is not None:
            results["wanted_class"] = wanted
        # The transforms draw from the two global generators.
        before = random.getstate(), np.random.get_state()
        try:
            own = np.random.SeedSequence([self._seed, _CHANGES, draw]).generate_state(4)
            np.random.seed(own)
            random.seed(int(own[0]))
            for step in self._steps:
                results = step(results)
        finally:
            random.setstate(before[0])
            np.random.set_state(before[1])
        return results


class Batches(Sampler[list[int]]):
    """The draws of each step from `start` on; of several processes each has its share of a step.

    Args:
        start: the first step.
        steps: how many there are in all.
        size: draws of a step, of all processes.
        rank: of this process.
        ranks: how many processes there are; `size` is a multiple.
    """

    def __init__(self, start: int, steps: int, size: int, rank: int = 0, ranks: int = 1) -> None:
        self._start, self._steps, self._size, self._rank, self._ranks = start, steps, size, rank, ranks

    def __iter__(self) -> Iterator[list[int]]:
        share = self._size // self._ranks
        for step in range(self._start, self._steps):
            first = step * self._size + self._rank * share
            yield list(range(first, first + share))

    def __len__(self) -> int:
        return self._steps - self._start
