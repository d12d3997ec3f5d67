"""Base class of training jobs: what the training loop needs from each kind of recipe."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from torch import nn
from torch.utils.data import DataLoader

from oodbench.contracts import Needs, Segmenter
from oodbench.stages.batching import forward_batches, split_batches
from oodbench.stages.quality import ClosedSetQuality
from oodbench.types import Frame


class TrainingJob(ABC):
    """A network in training, with its data and its optimiser.

    Attributes:
        name: Name of the recipe.
        record: Everything that determines the training except its seed, as plain values.
        iterations: Number of steps.
        validate_every: Steps between two validations.
        checkpoint_every: Steps between two checkpoints.
        model: Model that MMEngine's runner steps.
        network: The model, or the part of it whose state is saved.
        optimizer: Optimiser of the model.
        schedulers: Learning rate schedulers of the optimiser.
        validation: Frames for validation.
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
    def make_loader(self, start: int, rank: int = 0, processes: int = 1) -> DataLoader[Any]:
        """Build the loader of the batches from step `start` on; it loads this process's share of each batch."""

    @abstractmethod
    def make_example(self, max_pixels: int | None) -> tuple[Any, float]:
        """Make a batch of noise for measuring a step.

        Args:
            max_pixels: Maximum number of pixels; None: as many as in a step.

        Returns:
            The batch, and its size as a fraction of the size of a step.
        """

    @abstractmethod
    def facts(self) -> Mapping[str, float]:
        """Return the values that the log shows in addition to the losses."""

    @abstractmethod
    def write(self, folder: Path, quality: Mapping[str, Any] | None = None) -> Path:
        """Write the network in its current state as a file for --model.

        Args:
            folder: Folder to write to.
            quality: Result of `measure`, for the model card.
        """

    @abstractmethod
    def open(self, file: Path) -> Segmenter:
        """Open a network that `write` wrote, on the device of the training."""

    def describe_overrides(self) -> Iterable[str]:
        """Return lines about the values that a reduced recipe overrides."""
        return ()

    def measure(self, folder: Path) -> Mapping[str, Any]:
        """Measure the closed-set quality on the validation frames.

        The network is written to `folder` and read from there, so that the measured network is the one that users get.
        """
        segmenter = self.open(self.write(folder))
        quality = ClosedSetQuality(segmenter.classes)
        sizes = split_batches(len(self.validation), 1)
        for batch in forward_batches(
            segmenter, self.validation, sizes, Needs(class_maps=True), labelled=True, stops=False
        ):
            quality.update(batch.output, batch.labels)
        return quality.result()
