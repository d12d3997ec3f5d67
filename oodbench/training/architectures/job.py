"""Training of an architecture of MMSegmentation on the datasets of oodbench."""

from __future__ import annotations

import copy
import json
import logging
import signal
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import safetensors.torch
import torch
from mmengine.config import ConfigDict
from mmengine.dataset import pseudo_collate
from mmengine.logging import MMLogger
from mmengine.model import revert_sync_batchnorm
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS, DefaultScope
from torch.utils.data import DataLoader
from typing_extensions import override

from oodbench.contracts import Segmenter
from oodbench.errors import DataError, ModelError, OodbenchError, UsageError
from oodbench.files import write_atomically
from oodbench.segmenters.mmsegmentation import MMSegmentationAdapter
from oodbench.segmenters.mmsegmentation.custom_head import find_modules_with_head, list_training_only_prefixes
from oodbench.segmenters.mmsegmentation.shims import suppress_warnings
from oodbench.threads import count_cores
from oodbench.training.architectures.config import as_list, build_architecture_config
from oodbench.training.architectures.inference import make_inference_config
from oodbench.training.architectures.overrides import format_overrides
from oodbench.training.architectures.recipe import ArchitectureRecipe
from oodbench.training.architectures.start import force_weights_only, load_backbone_weights
from oodbench.training.data import TrainingData
from oodbench.training.job import TrainingJob
from oodbench.training.options import TrainingOptions
from oodbench.training.sampling import (
    ClassBalancedOrder,
    ShuffledOrder,
    StepBatches,
    TrainingFrames,
    TransformedDraws,
    index_frames_by_class,
)

# Transforms of a training pipeline that read files. Frames are read before the transforms.
_READERS = ("LoadImageFromFile", "LoadAnnotations")


class ArchitectureJob(TrainingJob):
    """Training job of a recipe of an architecture.

    Args:
        recipe: Recipe of the training.
        data: Dataset of the recipe.
        options: Options that the recipe does not determine.
        device: Device of this process.
        processes: Number of processes that share a step.
        resumed: Whether the state is loaded later, so that no initial weights are read.

    Raises:
        OodbenchError: The values of the recipe don't fit together, or the initial weights are not found or don't fit.
    """

    def __init__(
        self,
        recipe: ArchitectureRecipe,
        data: TrainingData,
        options: TrainingOptions,
        device: str,
        *,
        processes: int = 1,
        resumed: bool = False,
    ) -> None:
        self.name, self.recipe = recipe.name, recipe
        self._options, self._device, self._processes, self._classes = options, device, processes, data.classes
        self.config = build_architecture_config(recipe, Path("."), processes, len(data.classes))
        self.iterations = recipe.schedule.iterations.value
        self.validate_every = self.config.train_cfg.val_interval
        self.checkpoint_every = self.config.default_hooks.checkpoint.interval
        self._frames, self.validation = (
            data.splits[split].frames[: limit.value if limit else None]
            for split, limit in (("train", recipe.data.frames), ("val", recipe.data.validation_frames))
        )
        self.record = {
            **recipe.to_record(),
            "--start": str(options.start or ""),
            "--amp": options.amp,
            **data.to_record(self._frames),
        }
        self._synthetic = not any(frame.image_file for frame in self._frames)
        self.network = self.model = self._build_network(random_backbone=resumed or options.start is not None)
        if options.start is not None and not resumed:
            load_backbone_weights(self.model, options.start)
        self.model.to(device, memory_format=torch.channels_last)  # a tenth faster on a CPU
        with suppress_warnings(), DefaultScope.overwrite_default_scope("mmseg"):
            self.optimizer = build_optim_wrapper(self.model, self._configure_optimizer())
            self.schedulers = [
                PARAM_SCHEDULERS.build({**part, "optimizer": self.optimizer}) for part in self.config.param_scheduler
            ]

    @override
    def make_loader(self, start: int, rank: int = 0, processes: int = 1) -> DataLoader[Any]:
        from mmseg.registry import TRANSFORMS

        steps = [step for step in self.config.train_pipeline if step.type not in _READERS]
        with suppress_warnings(), DefaultScope.overwrite_default_scope("mmseg"):
            transforms = [TRANSFORMS.build(step) for step in steps]
        frames = TrainingFrames(self._frames, cached=self._synthetic)
        draws = TransformedDraws(frames, self._make_order(frames), transforms, self._options.seed)
        batches = StepBatches(start, self.iterations, self.recipe.data.batch.value, rank, processes)
        workers = 0 if self._synthetic else min(self._options.workers, count_cores())
        return DataLoader(
            draws,
            batch_sampler=batches,
            num_workers=workers,
            collate_fn=_collate,
            worker_init_fn=_start_worker,
            persistent_workers=workers > 0,
            pin_memory=self._device != "cpu",
        )

    @override
    def make_example(self, max_pixels: int | None) -> tuple[Any, float]:
        from mmengine.structures import PixelData
        from mmseg.structures import SegDataSample

        data = self.recipe.data
        crops, (height, width) = data.batch.value // self._processes, data.crop.value
        whole = crops * height * width
        if max_pixels is not None and whole > max_pixels:
            crops = min(crops, 2)
            while crops * height * width > max_pixels:
                height, width = height // 2, width // 2
            preprocessor: Any = self.network.data_preprocessor
            preprocessor.size = (height, width)  # otherwise it pads them to whole crops
        samples = [SegDataSample() for _ in range(crops)]
        for sample in samples:
            sample.gt_sem_seg = PixelData(data=torch.randint(len(self._classes), (1, height, width)))
        inputs = [torch.randint(256, (3, height, width), dtype=torch.uint8) for _ in samples]
        return {"inputs": inputs, "data_samples": samples}, crops * height * width / whole

    @override
    def facts(self) -> Mapping[str, float]:
        return {
            key: value
            for module in find_modules_with_head(self.model).values()
            for key, value in module.head.facts().items()
        }

    @override
    def write(self, folder: Path, quality: Mapping[str, Any] | None = None) -> Path:
        """Write NAME.py, NAME.safetensors, and NAME.toml with the measured quality; return the first."""
        not_written = (*list_training_only_prefixes(self.network), "auxiliary_head.")
        state = {
            name: value.detach().cpu().contiguous().clone()
            for name, value in self.network.state_dict().items()
            if not name.startswith(not_written)
        }
        metadata = {"classes": json.dumps(self._classes.names)}
        file = folder / f"{self.name}.py"
        write_atomically(
            file.with_suffix(".safetensors"), lambda out: out.write(safetensors.torch.save(state, metadata))
        )
        text = make_inference_config(self.config, self._classes).pretty_text
        write_atomically(file, lambda out: out.write(text.encode()))
        lines = [f"name = {json.dumps(self.name)}", f"trained_on = {json.dumps(self.recipe.data.dataset.value)}"]
        if quality:
            lines += ["", "[expected]"]
            lines += [f"{key} = {quality[key]:.4f}" for key in ("miou", "mean_confidence") if quality[key] is not None]
        write_atomically(file.with_suffix(".toml"), lambda out: out.write("\n".join([*lines, ""]).encode()))
        return file

    @override
    def open(self, file: Path) -> Segmenter:
        device = "cpu" if self._device == "cpu" else "cuda"
        # The network is initialised at random before its weights are loaded. That must not change the generators of the
        # training.
        with torch.random.fork_rng([] if device == "cpu" else [torch.cuda.current_device()]):
            return MMSegmentationAdapter().open(str(file), None, device)  # type: ignore[arg-type]

    @override
    def describe_overrides(self) -> Iterable[str]:
        return format_overrides(self.recipe)

    def _build_network(self, *, random_backbone: bool) -> Any:
        """Build the network in training mode, and initialise it by the seed."""
        from mmseg.registry import MODELS

        for module in self.config.custom_imports.imports:
            import_module(module)
        # MMEngine would log the initialisation of each tensor.
        MMLogger.get_current_instance().setLevel(logging.ERROR)
        _pass_plugins(self.config.model, self._options.plugins)
        model = copy.deepcopy(self.config.model)
        if random_backbone:
            model.pretrained = model.backbone.init_cfg = None
        torch.manual_seed(self._options.seed)
        with suppress_warnings(), DefaultScope.overwrite_default_scope("mmseg"):
            try:
                network: Any = MODELS.build(model)
            except UsageError:
                raise
            except Exception as error:  # registries and registered classes raise any class
                raise UsageError(
                    f"{self.name}: the network can't be built ({type(error).__name__}: {str(error).splitlines()[0]})",
                    "Check that the values in the recipe's [network] fit together.",
                ) from error
            try:
                with force_weights_only():
                    network.init_weights()
            except Exception as error:  # for example no network connection, or a damaged download
                raise ModelError(
                    f"{self.name}: the initial weights can't be loaded ({type(error).__name__}: {error})",
                    "Download the file, whose address is in docs/how-to/train.md, and give it with --start FILE.",
                ) from error
        if self._device == "cpu" or self._processes == 1:
            revert_sync_batchnorm(network)
        else:
            # Mask2Former has no norm that shows the head whether norms are synchronised.
            for module in find_modules_with_head(network).values():
                module.head = torch.nn.SyncBatchNorm.convert_sync_batchnorm(module.head)  # type: ignore[no-untyped-call]
        return network.train()

    def _configure_optimizer(self) -> Any:
        wrapper = ConfigDict(self.config.optim_wrapper)
        if self._options.amp:
            wrapper.update(type="AmpOptimWrapper", loss_scale="dynamic")
        return wrapper

    def _make_order(self, frames: TrainingFrames) -> ShuffledOrder | ClassBalancedOrder:
        count = len(frames.frames)
        if not self.recipe.data.class_balanced.value:
            return ShuffledOrder(count, self._options.seed)
        by_class = index_frames_by_class([partial(frames.labels, index) for index in range(count)])
        if not by_class:
            raise DataError(f"{self.name}: no label in {count} frames", "Check that not all labels are void.")
        return ClassBalancedOrder(by_class, self._options.seed)


def _pass_plugins(model: Any, plugins: Sequence[Path]) -> None:
    """Pass the plugin files to the decoders that have one of our heads."""
    for decoder in as_list(model.decode_head):
        if plugins and str(decoder.type).startswith("Oodbench"):
            decoder.plugins = [str(file.resolve()) for file in plugins]


def _collate(draws: list[Any]) -> Any:
    """Collate draws to a batch, or return the first error for the loop to raise: a worker would lose its remedy."""
    return next((draw for draw in draws if isinstance(draw, OodbenchError)), None) or pseudo_collate(draws)


def _start_worker(_: int) -> None:
    """Let a worker use one thread, as torch does, and ignore Ctrl-C, which the training process handles."""
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
