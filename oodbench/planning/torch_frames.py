"""Frames as a PyTorch dataset."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.data import Dataset
from typing_extensions import override

from oodbench.errors import DataError
from oodbench.types import Frame


class TorchFrames(Dataset[tuple[Tensor, Tensor]]):
    """Map-style dataset of images and labels, which are read when an item is requested.

    Args:
        frames: Frames with labels.
    """

    def __init__(self, frames: Sequence[Frame]) -> None:
        self._frames = tuple(frames)

    def __len__(self) -> int:
        return len(self._frames)

    @override
    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        frame = self._frames[index]
        read = frame.read_anomaly_labels or frame.read_semantic_labels
        if read is None:
            raise DataError(f"{frame.id} has no labels", "Use a benchmark whose labels are public.")
        image = torch.from_numpy(frame.read_image()).permute(2, 0, 1).contiguous()  # [3, H, W]
        return image, torch.from_numpy(read().values)
