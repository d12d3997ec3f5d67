"""Training of the compact network, as the bundled models are trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.model import BaseModel
from mmengine.optim import LinearLR, OptimWrapper, PolyLR
from torch import Tensor
from torch.utils.data import DataLoader
from typing_extensions import override

from oodbench.contracts import Head, HeadOutput, Segmenter, TrainingHead
from oodbench.segmenters.bundled import BundledAdapter, write_weights
from oodbench.segmenters.bundled_network import CHANNELS, CompactNetwork
from oodbench.segmenters.mmsegmentation.custom_head import ModuleWithHead
from oodbench.training.bundled_recipe import BundledRecipe
from oodbench.training.card import write_card
from oodbench.training.crop_batches import CropBatches, RemainingSteps
from oodbench.training.data import TrainingData
from oodbench.training.job import TrainingJob


class BundledModel(ModuleWithHead, BaseModel):
    """The compact network with its losses."""

    def __init__(self, head: Head, classes: int) -> None:
        super().__init__()
        self.register_module("network", None)  # before the head: the order of modules is the order of parameters
        self.build_head(head, CHANNELS, classes)
        self.network = CompactNetwork(self.head)

    @override
    def forward(self, images: Tensor, labels: Tensor, mode: str) -> Mapping[str, Tensor]:
        """Return the losses by name. Training uses only the mode `loss` of MMEngine.

        Args:
            images: float32 [N, 3, h, w], grey levels from 0 to 255.
            labels: int64 [N, h, w], class index or VOID.
            mode: Mode of MMEngine, always `loss`.
        """
        output: HeadOutput = self.network(images.contiguous(memory_format=torch.channels_last))
        return self.compute_head_losses(output, labels)


def _name_tensors(batch: Any) -> dict[str, Tensor]:
    """Return a batch as keyword arguments of the model."""
    return dict(zip(("images", "labels"), batch, strict=True))


class BundledJob(TrainingJob):
    """Training job of a recipe of the compact network.

    Args:
        recipe: Recipe of the training.
        head: Head that the recipe names.
        data: Dataset of the recipe.
        seed: Seed of the weights, of the order of the frames and of the crops.
        device: Device to train on.
    """

    def __init__(self, recipe: BundledRecipe, head: Head, data: TrainingData, seed: int, device: str) -> None:
        schedule, classes = recipe.schedule, data.classes
        self._frames = data.splits[recipe.data.train]
        self.name, self.record = recipe.name, recipe.to_record() | data.to_record(self._frames.frames)
        self.iterations, self.validate_every = schedule.iterations, schedule.validate_every
        self.checkpoint_every = schedule.checkpoint_every
        self.validation = data.splits[recipe.data.validation].frames[: recipe.data.validation_frames]
        self._recipe, self._head, self._classes, self._seed, self._device = recipe, head, classes, seed, device
        torch.manual_seed(seed)
        self.model = BundledModel(head, len(classes))
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

    @override
    def make_loader(self, start: int, rank: int = 0, processes: int = 1) -> DataLoader[Any]:
        crops = CropBatches(self._frames, self._recipe.data, self._seed, self.iterations)
        steps = RemainingSteps(start, self.iterations)
        return DataLoader(crops, batch_size=None, sampler=steps, collate_fn=_name_tensors)

    @override
    def make_example(self, max_pixels: int | None) -> tuple[Any, float]:
        data = self._recipe.data
        images = torch.rand(data.crops, 3, *data.crop) * 255
        labels = torch.randint(len(self._classes), (data.crops, *data.crop))
        return {"images": images, "labels": labels}, 1.0

    @override
    def facts(self) -> Mapping[str, float]:
        head = self.model.head
        assert isinstance(head, TrainingHead), "the model has a head"
        return head.facts()

    @override
    def write(self, folder: Path, quality: Mapping[str, Any] | None = None) -> Path:
        file = folder / f"{self.name}.safetensors"
        write_weights(file, self.model.network, self._head)
        write_card(file.with_suffix(".toml"), self._recipe, self._seed, self._classes.name, quality or {})
        return file

    @override
    def open(self, file: Path) -> Segmenter:
        adapter = BundledAdapter(find_head=lambda name, parameters: self._head)
        return adapter.open(str(file), None, "cuda" if self._device.startswith("cuda") else "cpu")
