"""The training of the compact network, of which the embedded ones are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.model import BaseModel
from mmengine.optim import LinearLR, OptimWrapper, PolyLR
from torch import Tensor
from torch.utils.data import DataLoader

from oodbench.contracts import Head, HeadOutput, Segmenter, TrainingHead
from oodbench.segmenters.bundled import BundledAdapter, write_weights
from oodbench.segmenters.bundled_network import CHANNELS, CompactNetwork
from oodbench.segmenters.mmsegmentation.custom_head import ModuleWithHead
from oodbench.training.card import write_card
from oodbench.training.crops import Crops, Remaining
from oodbench.training.job import Trainee, record_of
from oodbench.training.recipe import Recipe
from oodbench.types import ClassSet, FrameSet


class CompactModel(ModuleWithHead, BaseModel):
    """The network with its losses."""

    def __init__(self, head: Head, classes: int) -> None:
        super().__init__()
        self.register_module("network", None)  # before the head: parameters come in the order of the modules
        self.bear(head, CHANNELS, classes)
        self.network = CompactNetwork(self.head)

    def forward(self, images: Tensor, labels: Tensor, mode: str) -> Mapping[str, Tensor]:
        """Losses by name; MMEngine's modes beside `loss` are not asked for."""
        output: HeadOutput = self.network(images.contiguous(memory_format=torch.channels_last))
        return self.losses_of_the_head(output, labels)


def _named(step: Any) -> dict[str, Tensor]:
    """Images and labels by their names, as the model takes them."""
    return dict(zip(("images", "labels"), step, strict=True))


class CompactTrainee(Trainee):
    """By a recipe of ours.

    Args:
        recipe: whose network is `compact`.
        head: by it.
        splits: of its dataset.
        classes: of that.
        seed: of weights, order and crops.
        device: where.
    """

    def __init__(
        self, recipe: Recipe, head: Head, splits: Mapping[str, FrameSet], classes: ClassSet, seed: int, device: str
    ) -> None:
        schedule = recipe.schedule
        self._frames = splits[recipe.data.train]
        self.name, self.record = recipe.name, recipe.model_dump(mode="json", exclude={"title"})
        self.record |= record_of(self._frames.frames, classes)
        self.iterations, self.validate_every = schedule.iterations, schedule.validate_every
        self.checkpoint_every = schedule.checkpoint_every
        self.validation = splits[recipe.data.validation].frames[: recipe.data.validation_frames]
        self._recipe, self._head, self._classes, self._seed, self._device = recipe, head, classes, seed, device
        torch.manual_seed(seed)
        self.model = CompactModel(head, len(classes))
        self.network = self.model.network
        self.model.to(device, memory_format=torch.channels_last)
        trainable = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(trainable, lr=schedule.learning_rate, weight_decay=schedule.weight_decay)
        self.optimizer = OptimWrapper(optimizer, clip_grad={"max_norm": schedule.clip})
        self.schedulers = [
            LinearLR(optimizer, start_factor=1e-3, by_epoch=False, begin=0, end=schedule.warmup),
            PolyLR(
                optimizer,
                power=schedule.power,
                eta_min=0.0,
                by_epoch=False,
                begin=schedule.warmup,
                end=schedule.iterations,
            ),
        ]

    def loader(self, start: int, rank: int = 0, ranks: int = 1) -> DataLoader[Any]:
        crops = Crops(self._frames, self._recipe.data, self._seed, self.iterations)
        return DataLoader(crops, batch_size=None, sampler=Remaining(start, self.iterations), collate_fn=_named)

    def example(self, most_pixels: int | None) -> tuple[Any, float]:
        data = self._recipe.data
        images = torch.rand(data.crops, 3, *data.crop) * 255
        labels = torch.randint(len(self._classes), (data.crops, *data.crop))
        return {"images": images, "labels": labels}, 1.0

    def facts(self) -> Mapping[str, float]:
        head = self.model.head
        assert isinstance(head, TrainingHead), "it bears one"
        return head.facts()

    def write(self, folder: Path, quality: Mapping[str, Any] | None = None) -> Path:
        file = folder / f"{self.name}.safetensors"
        write_weights(file, self.model.network, self._head)
        write_card(file.with_suffix(".toml"), self._recipe, self._seed, self._classes.name, quality or {})
        return file

    def open(self, file: Path) -> Segmenter:
        adapter = BundledAdapter(find_head=lambda name, parameters: self._head)
        return adapter.open(str(file), None, "cuda" if self._device.startswith("cuda") else "cpu")
