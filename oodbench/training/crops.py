"""Training crops: a step's batch is a function of the seed and the step, so a resumed run sees what it would have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from oodbench.stages.batching import read_semantic_labels
from oodbench.training.recipe import DataChoice
from oodbench.types import VOID, FrameSet

if TYPE_CHECKING:
    from torch import Tensor


class Crops(Dataset[tuple["Tensor", "Tensor"]]):
    """Batches by step: images float32 [B, 3, h, w] in grey levels, labels int64 [B, h, w].

    Args:
        found: the frames of the training split.
        data: how they are cut.
        seed: of the order of the frames and of the crops.
        steps: how many there are.
    """

    def __init__(self, found: FrameSet, data: DataChoice, seed: int, steps: int) -> None:
        self._frames, self._data, self._seed, self._steps = found.frames, data, seed, steps
        wanted = (steps - 1) // data.steps_a_frame + data.window
        rng = np.random.default_rng([seed, 0])
        rounds = -(-wanted // len(found.frames))
        self._order = np.concatenate([rng.permutation(len(found.frames)) for _ in range(rounds)])

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng([self._seed, 1, step])
        images, labels = [], []
        # Each frame serves several crops, of steps that lie apart: a step sees many frames, and few are drawn for it.
        window = self._order[step // self._data.steps_a_frame :][: self._data.window]
        for index in rng.choice(window, self._data.crops, replace=len(window) < self._data.crops):
            frame = self._frames[index]
            image, label = frame.read_image(), read_semantic_labels(frame).values
            rows, columns = self._cut(label, rng)
            flip = -1 if rng.random() < 0.5 else 1
            images.append(image[rows, columns][:, ::flip].transpose(2, 0, 1))
            labels.append(label[rows, columns][:, ::flip])
        thinned = self._thinned(np.stack(labels), rng)
        return torch.from_numpy(np.stack(images)).float(), torch.from_numpy(thinned).long()

    def _thinned(self, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Labels of which about as many stay as the recipe says, at random; the others are void.

        A class that is n times as common as another keeps a share of its pixels that is n^evenness times smaller.
        """
        counts = np.bincount(labels.ravel(), minlength=256).astype(np.float64)
        counts[VOID] = 0
        there = np.flatnonzero(counts)
        share = np.zeros(256)
        share[there] = 0.5 * (counts[there] / counts[there].min(initial=np.inf)) ** -self._data.evenness
        # Rare classes keep all they have, and what they can't give the others do.
        for _ in range(4):
            kept = counts * np.minimum(share, 1.0)
            full = share >= 1.0
            open_ = kept[~full].sum()
            share[~full] *= max(self._data.labels - kept[full].sum(), 0.0) / max(open_, 1e-9)
        return np.where(rng.random(labels.shape, np.float32) < share.astype(np.float32)[labels], labels, VOID)

    def _cut(self, label: np.ndarray, rng: np.random.Generator) -> tuple[slice, slice]:
        size = self._data.crop
        most = [whole - part for whole, part in zip(label.shape, size, strict=True)]
        corner = [int(rng.integers(0, limit + 1)) for limit in most]
        present = np.unique(label)
        present = present[present != VOID]
        if present.size and rng.random() < self._data.balanced:
            rows, columns = np.nonzero(label == rng.choice(present))
            pixel = rng.integers(rows.size)
            # Anywhere in the crop, not always in its middle.
            shift = [int(rng.integers(0, part)) for part in size]
            centre = (int(rows[pixel]), int(columns[pixel]))
            corner = [min(max(at - off, 0), limit) for at, off, limit in zip(centre, shift, most, strict=True)]
        return slice(corner[0], corner[0] + size[0]), slice(corner[1], corner[1] + size[1])


class Remaining(Sampler[int]):
    """The steps from `start` on."""

    def __init__(self, start: int, steps: int) -> None:
        self.start, self.steps = start, steps

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.start, self.steps))

    def __len__(self) -> int:
        return self.steps - self.start
