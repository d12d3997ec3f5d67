"""What a recipe trains, as the loop asks of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from torch import nn
from torch.utils.data import DataLoader

from oodbench.contracts import Needs, Segmenter
from oodbench.files import digest_bytes
from oodbench.stages.batching import forward_batches, split_batches
from oodbench.stages.quality import ClosedSetQuality
from oodbench.types import ClassSet, Frame


def record_of(frames: Sequence[Frame], classes: ClassSet) -> dict[str, Any]:
    """Of the data what decides on a training: draws count frames from the first on."""
    names = digest_bytes("\n".join(frame.id for frame in frames).encode())
    return {"training frames": f"{len(frames)} ({names[:8]})", "classes": list(classes.names)}


class Trainee(ABC):
    """A network under training, with its data and its optimiser.

    Attributes:
        name: of the recipe.
        record: everything that decides on the training but its seed, in plain values.
        iterations: how many there are.
        validate_every, checkpoint_every: iterations.
        model: what MMEngine's runner steps.
        network: that, or the part of it whose state is kept.
        optimizer: of the model.
        schedulers: of the optimizer.
        validation: frames on which its quality is measured.
    """

    name: str
    record: dict[str, Any]
    iterations: int
    validate_every: int
    checkpoint_every: int
    model: BaseModel
    network: nn.Module
    optimizer: OptimWrapper
    schedulers: Sequence[Any]
    validation: Sequence[Frame]

    @abstractmethod
    def loader(self, start: int, rank: int = 0, ranks: int = 1) -> DataLoader[Any]:
        """The batches from step `start` on; of several processes this one's share of each."""

    @abstractmethod
    def example(self, most_pixels: int | None) -> tuple[Any, float]:
        """A batch of noise as large as a step's, or smaller, of so many pixels; and what share of a step it is."""

    @abstractmethod
    def facts(self) -> Mapping[str, float]:
        """What the log shows beside the losses."""

    @abstractmethod
    def write(self, folder: Path, quality: Mapping[str, Any] | None = None) -> Path:
        """The network as it stands, as a file for --model; `quality` is what `measure` gave."""

    @abstractmethod
    def open(self, file: Path) -> Segmenter:
        """A network that `write` wrote, on the device of the training."""

    def measure(self, folder: Path) -> Mapping[str, Any]:
        """Closed-set quality on the validation frames: of the network that is written to `folder` and read again."""
        segmenter = self.open(self.write(folder))
        quality = ClosedSetQuality(segmenter.classes)
        each, threads = split_batches(len(self.validation), 1), torch.get_num_threads()
        for batch in forward_batches(segmenter, self.validation, each, Needs(class_maps=True), labelled=True):
            quality.update(batch.output, batch.labels)
        # Compiled loops leave another number behind, and with it the steps that follow would have other last bits.
        torch.set_num_threads(threads)
        return quality.result()
