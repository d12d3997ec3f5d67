"""Training crops: a step's batch is a function of the seed and the step, so a resumed run sees what it would have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

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
        wanted = steps * data.frames_a_step
        rng = np.random.default_rng([seed, 0])
        rounds = -(-wanted // len(found.frames))
        self._order = np.concatenate([rng.permutation(len(found.frames)) for _ in range(rounds)])

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng([self._seed, 1, step])
        images, labels = [], []
        for index in self._order[step * self._data.frames_a_step :][: self._data.frames_a_step]:
            frame = self._frames[index]
            assert frame.read_semantic_labels is not None, "frames of a dataset have semantic labels"
            image, label = frame.read_image(), frame.read_semantic_labels().values
            for _ in range(self._data.crops_a_frame):
                rows, columns = self._window(label, rng)
                flip = -1 if rng.random() < 0.5 else 1
                images.append(image[rows, columns][:, ::flip].transpose(2, 0, 1))
                labels.append(label[rows, columns][:, ::flip])
        return torch.from_numpy(np.stack(images)).float(), torch.from_numpy(np.stack(labels)).long()

    def _window(self, label: np.ndarray, rng: np.random.Generator) -> tuple[slice, slice]:
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
