"""The training of an architecture of MMSegmentation: its network, transforms and optimiser; frames of our datasets."""

from __future__ import annotations

import copy
import json
import logging
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from mmengine.config import ConfigDict
from mmengine.dataset import pseudo_collate
from mmengine.logging import MMLogger
from mmengine.model import revert_sync_batchnorm
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS, DefaultScope
from torch.utils.data import DataLoader

from oodbench.contracts import Segmenter
from oodbench.errors import DataError, ModelError, OodbenchError, UsageError
from oodbench.files import write_atomically
from oodbench.segmenters.mmsegmentation import MMSegmentationAdapter
from oodbench.segmenters.mmsegmentation.custom_head import find_modules_with_head, training_only_prefixes
from oodbench.segmenters.mmsegmentation.shims import quiet
from oodbench.training.architectures.config import architecture_config, several
from oodbench.training.architectures.inference import inference_config
from oodbench.training.architectures.recipe import ArchitectureRecipe
from oodbench.training.architectures.start import reading_weights_only, start_from
from oodbench.training.job import Trainee, record_of
from oodbench.training.sampling import Balanced, Batches, Draws, InTurn, Pixels, frames_by_class
from oodbench.types import ClassSet, FrameSet

# Transforms of a training pipeline that read files: ours are read already.
_READING = ("LoadImageFromFile", "LoadAnnotations")


@dataclass(frozen=True)
class How:
    """What of a training no recipe says.

    Attributes:
        seed: of weights and draws.
        device: `cpu`, `cuda`.
        ranks: processes that share a step.
        amp: half precision where it does no harm.
        workers: processes that read frames.
        start: weights to start from, instead of what the recipe says.
        plugins: files with heads of the user's own.
    """

    seed: int = 0
    device: str = "cpu"
    ranks: int = 1
    amp: bool = False
    workers: int = 0
    start: Path | None = None
    plugins: Sequence[Path] = ()


class ArchitectureTrainee(Trainee):
    """By a recipe of an architecture.

    Args:
        recipe: that.
        splits: of its dataset.
        classes: of that.
        how: the rest.
        resumed: its state comes from a checkpoint, so that no weights to start from are read.

    Raises:
        OodbenchError: what the recipe says doesn't fit together; weights to start from are not there or don't fit.
    """

    def __init__(
        self,
        recipe: ArchitectureRecipe,
        splits: Mapping[str, FrameSet],
        classes: ClassSet,
        how: How,
        *,
        resumed: bool = False,
    ) -> None:
        self.name, self.recipe, self.how = recipe.name, recipe, how
        self.record = {
            **{field: value for field, (value, _) in recipe.sources().items()},
            "--start": str(how.start or ""),
            "--amp": how.amp,
        }
        self.config = architecture_config(recipe, Path("."), how.ranks, len(classes))
        self.iterations = recipe.schedule.iterations.value
        self.validate_every = self.config.train_cfg.val_interval
        self.checkpoint_every = self.config.default_hooks.checkpoint.interval
        self._classes = classes
        self._frames, self.validation = (
            splits[split].frames[: said.value if said else None]
            for split, said in (("train", recipe.data.frames), ("val", recipe.data.validation_frames))
        )
        self.record |= record_of(self._frames, classes)
        self._drawn = not any(frame.image_file for frame in self._frames)
        self.network = self.model = self._built(resumed or how.start is not None)
        if how.start is not None and not resumed:
            start_from(self.model, how.start)
        self.model.to(how.device, memory_format=torch.channels_last)  # a tenth faster on a CPU
        with quiet(), DefaultScope.overwrite_default_scope("mmseg"):
            self.optimizer = build_optim_wrapper(self.model, self._optimizer())
            self.schedulers = [
                PARAM_SCHEDULERS.build({**part, "optimizer": self.optimizer}) for part in self.config.param_scheduler
            ]

    def loader(self, start: int, rank: int = 0, ranks: int = 1) -> DataLoader[Any]:
        from mmseg.registry import TRANSFORMS

        steps = [step for step in self.config.train_pipeline if step.type not in _READING]
        with quiet(), DefaultScope.overwrite_default_scope("mmseg"):
            built = [TRANSFORMS.build(step) for step in steps]
        pixels = Pixels(self._frames, kept=self._drawn)
        data = Draws(pixels, self._order(pixels), built, self.how.seed)
        batches = Batches(start, self.iterations, self.recipe.data.batch.value, rank, ranks)
        workers = 0 if self._drawn else self.how.workers
        return DataLoader(
            data,
            batch_sampler=batches,
            num_workers=workers,
            collate_fn=_together,
            worker_init_fn=_leave_interrupts,
            persistent_workers=workers > 0,
            pin_memory=self.how.device != "cpu",
        )

    def example(self, most_pixels: int | None) -> tuple[Any, float]:
        from mmengine.structures import PixelData
        from mmseg.structures import SegDataSample

        data = self.recipe.data
        crops, (height, width) = data.batch.value // self.how.ranks, data.crop.value
        whole = crops * height * width
        if most_pixels is not None and whole > most_pixels:
            crops = min(crops, 2)
            while crops * height * width > most_pixels:
                height, width = height // 2, width // 2
            preprocessor: Any = self.network.data_preprocessor
            preprocessor.size = (height, width)  # it would fill them up to whole crops again
        samples = [SegDataSample() for _ in range(crops)]
        for sample in samples:
            sample.gt_sem_seg = PixelData(data=torch.randint(len(self._classes), (1, height, width)))
        inputs = [torch.randint(256, (3, height, width), dtype=torch.uint8) for _ in samples]
        return {"inputs": inputs, "data_samples": samples}, crops * height * width / whole

    def facts(self) -> Mapping[str, float]:
        return {
            key: value
            for bearer in find_modules_with_head(self.model).values()
            for key, value in bearer.head.facts().items()
        }

    def write(self, folder: Path, quality: Mapping[str, Any] | None = None) -> Path:
        """NAME.py and NAME.safetensors, and NAME.toml with what it reaches; returns the first."""
        not_shipped = (*training_only_prefixes(self.network), "auxiliary_head.")
        state = {
            name: value.detach().cpu().contiguous().clone()
            for name, value in self.network.state_dict().items()
            if not name.startswith(not_shipped)
        }
        metadata = {"classes": json.dumps(self._classes.names)}
        file = folder / f"{self.name}.py"
        write_atomically(
            file.with_suffix(".safetensors"), lambda out: out.write(safetensors.torch.save(state, metadata))
        )
        text = inference_config(self.config, self._classes).pretty_text
        write_atomically(file, lambda out: out.write(text.encode()))
        lines = [f"name = {json.dumps(self.name)}", f"trained_on = {json.dumps(self.recipe.data.dataset.value)}"]
        if quality:
            lines += ["", "[expected]"]
            lines += [f"{key} = {quality[key]:.4f}" for key in ("miou", "mean_confidence") if quality[key] is not None]
        write_atomically(file.with_suffix(".toml"), lambda out: out.write("\n".join([*lines, ""]).encode()))
        return file

    def open(self, file: Path) -> Segmenter:
        device = "cpu" if self.how.device == "cpu" else "cuda"
        # Random weights are made and overwritten: training's chance stays as it is.
        with torch.random.fork_rng([] if device == "cpu" else [torch.cuda.current_device()]):
            return MMSegmentationAdapter().open(str(file), None, device)  # type: ignore[arg-type]

    def _built(self, no_start: bool) -> Any:
        """The network in training mode, its weights by the seed."""
        from mmseg.registry import MODELS

        for module in self.config.custom_imports.imports:
            import_module(module)
        # It tells of each tensor how it was made.
        MMLogger.get_current_instance().setLevel(logging.ERROR)
        _with_plugins(self.config.model, self.how.plugins)
        model = copy.deepcopy(self.config.model)
        if no_start:
            model.pretrained = model.backbone.init_cfg = None
        torch.manual_seed(self.how.seed)
        with quiet(), DefaultScope.overwrite_default_scope("mmseg"):
            try:
                network: Any = MODELS.build(model)
            except UsageError:
                raise
            except Exception as error:  # whatever a registry or a class that was registered says
                raise UsageError(
                    f"{self.name}: the network can't be built ({type(error).__name__}: {str(error).splitlines()[0]})",
                    "Check the recipe's [network]: the values have to fit together.",
                ) from error
            try:
                with reading_weights_only():
                    network.init_weights()
            except Exception as error:  # no network, a dead address, a damaged download
                raise ModelError(
                    f"{self.name}: the weights to start from can't be had ({type(error).__name__}: {error})",
                    "docs/training.md has their addresses: download the file and give it with --start FILE.",
                ) from error
        if self.how.device == "cpu" or self.how.ranks == 1:
            revert_sync_batchnorm(network)
        else:
            # Mask2Former has no norm that could say so to the head.
            for bearer in find_modules_with_head(network).values():
                bearer.head = torch.nn.SyncBatchNorm.convert_sync_batchnorm(bearer.head)  # type: ignore[no-untyped-call]
        return network.train()

    def _optimizer(self) -> Any:
        wrapper = ConfigDict(self.config.optim_wrapper)
        if self.how.amp:
            wrapper.update(type="AmpOptimWrapper", loss_scale="dynamic")
        return wrapper

    def _order(self, pixels: Pixels) -> InTurn | Balanced:
        count = len(pixels.frames)
        if not self.recipe.data.class_balanced.value:
            return InTurn(count, self.how.seed)
        found = frames_by_class([partial(pixels.labels, index) for index in range(count)])
        if not found:
            raise DataError(f"{self.name}: no label in {count} frames", "Check that they are not all void.")
        return Balanced(found, self.how.seed)


def _with_plugins(model: Any, plugins: Sequence[Path]) -> None:
    """Say to a decoder with a head of ours where the user's heads lie."""
    for decoder in several(model.decode_head):
        if plugins and str(decoder.type).startswith("Oodbench"):
            decoder.plugins = [str(file.resolve()) for file in plugins]


def _together(drawn: list[Any]) -> Any:
    """A batch of what was drawn; or what went wrong, for the loop to raise: from a worker it would lose its remedy."""
    return next((item for item in drawn if isinstance(item, OodbenchError)), None) or pseudo_collate(drawn)


def _leave_interrupts(_: int) -> None:
    """Ctrl-C is the first process's affair."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
