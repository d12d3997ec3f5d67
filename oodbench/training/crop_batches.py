"""Training crops of the compact network.

The batch of a step depends only on the seed and on the step, so a resumed training gets the same batches.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler
from typing_extensions import override

from oodbench.stages.batching import read_semantic_labels
from oodbench.training.bundled_recipe import BundledData
from oodbench.types import VOID, FrameSet

if TYPE_CHECKING:
    from torch import Tensor


class CropBatches(Dataset[tuple["Tensor", "Tensor"]]):
    """One batch per step: images float32 [N, 3, h, w], grey levels from 0 to 255, and labels int64 [N, h, w].

    Args:
        split: Frames of the training split.
        data: Data section of the recipe.
        seed: Seed of the order of the frames and of the crops.
        steps: Number of steps.
    """

    def __init__(self, split: FrameSet, data: BundledData, seed: int, steps: int) -> None:
        self._frames, self._data, self._seed, self._steps = split.frames, data, seed, steps
        needed = (steps - 1) // data.steps_a_frame + data.window
        rng = np.random.default_rng([seed, 0])
        epochs = -(-needed // len(split.frames))
        self._order = np.concatenate([rng.permutation(len(split.frames)) for _ in range(epochs)])

    def __len__(self) -> int:
        return self._steps

    @override
    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng([self._seed, 1, step])
        images, labels = [], []
        # Each frame provides crops for several steps. A step therefore has crops of many frames, but only few of
        # them are rendered for it.
        window = self._order[step // self._data.steps_a_frame :][: self._data.window]
        for index in rng.choice(window, self._data.crops, replace=len(window) < self._data.crops):
            frame = self._frames[index]
            image, label = frame.read_image(), read_semantic_labels(frame).values
            rows, columns = self._choose_crop(label, rng)
            flip = -1 if rng.random() < 0.5 else 1
            images.append(image[rows, columns][:, ::flip].transpose(2, 0, 1))
            labels.append(label[rows, columns][:, ::flip])
        kept = self._thin_labels(np.stack(labels), rng)
        return torch.from_numpy(np.stack(images)).float(), torch.from_numpy(kept).long()

    def _thin_labels(self, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Set random labels to VOID until about as many are left as the recipe sets.

        A class that is n times as common as another keeps a share of its pixels that is smaller by a factor of
        n^evenness.
        """
        counts = np.bincount(labels.ravel(), minlength=256).astype(np.float64)
        counts[VOID] = 0
        present = np.flatnonzero(counts)
        share = np.zeros(256)
        share[present] = 0.5 * (counts[present] / counts[present].min(initial=np.inf)) ** -self._data.evenness
        # Rare classes keep all their pixels. The other classes keep more pixels to reach the total.
        for _ in range(4):
            kept = counts * np.minimum(share, 1.0)
            full = share >= 1.0
            scalable = kept[~full].sum()
            share[~full] *= max(self._data.labels - kept[full].sum(), 0.0) / max(scalable, 1e-9)
        return np.where(rng.random(labels.shape, np.float32) < share.astype(np.float32)[labels], labels, VOID)

    def _choose_crop(self, label: np.ndarray, rng: np.random.Generator) -> tuple[slice, slice]:
        """Choose a crop, at random or around a pixel of a uniformly sampled class."""
        size = self._data.crop
        most = [whole - part for whole, part in zip(label.shape, size, strict=True)]
        corner = [int(rng.integers(0, limit + 1)) for limit in most]
        present = np.unique(label)
        present = present[present != VOID]
        if present.size and rng.random() < self._data.balanced:
            rows, columns = np.nonzero(label == rng.choice(present))
            pixel = rng.integers(rows.size)
            # The pixel may be anywhere in the crop.
            shift = [int(rng.integers(0, part)) for part in size]
            centre = (int(rows[pixel]), int(columns[pixel]))
            corner = [min(max(at - off, 0), limit) for at, off, limit in zip(centre, shift, most, strict=True)]
        return slice(corner[0], corner[0] + size[0]), slice(corner[1], corner[1] + size[1])


class RemainingSteps(Sampler[int]):
    """Sampler of the steps from `start` on."""

    def __init__(self, start: int, steps: int) -> None:
        self.start, self.steps = start, steps

    @override
    def __iter__(self) -> Iterator[int]:
        return iter(range(self.start, self.steps))

    def __len__(self) -> int:
        return self.steps - self.start
