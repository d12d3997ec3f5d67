"""`oodbench train`: a recipe, a seed and a folder become a network with its model card."""

from __future__ import annotations

import json
import logging
import uuid
from pathlib import Path
from typing import Any, Literal

import torch
from mmengine.optim import LinearLR, OptimWrapper, PolyLR
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from oodbench.contracts import Roots, TrainingHead
from oodbench.errors import DataError, RunFolderError
from oodbench.pipeline.progress import Progress
from oodbench.pipeline.store import Store
from oodbench.registry import Registry
from oodbench.segmenters.compact import CHANNELS, CompactNetwork
from oodbench.segmenters.embedded import choose_device, write_weights
from oodbench.training.card import write_card
from oodbench.training.crops import Crops, Remaining
from oodbench.training.recipe import Recipe
from oodbench.training.runner import LogHook, ResumableLoop, SaveHook, TrainedModel, measure
from oodbench.types import FrameSet


def train(
    recipe: Recipe,
    out: Path,
    progress: Progress,
    *,
    registry: Registry,
    roots: Roots,
    seed: int = 0,
    device: Literal["auto", "cpu", "cuda"] = "auto",
) -> Path:
    """Train by a recipe, or go on where a run in the same folder stopped.

    Returns:
        The network's file in `out`, with its model card beside it.

    Raises:
        OodbenchError: the folder holds another training; the data is not there; and so on.
    """
    where = choose_device(device)
    with Store(out).locked():
        return _train(recipe, out, progress, registry, roots, seed, where)


def _train(
    recipe: Recipe, out: Path, progress: Progress, registry: Registry, roots: Roots, seed: int, device: str
) -> Path:
    """In a folder that this process holds."""
    checkpoint = _checkpoint(out / "checkpoint.pt", recipe, seed)
    dataset = registry.dataset(recipe.data.dataset)
    splits, classes = dataset.open(roots), dataset.classes(roots)
    for split in (recipe.data.train, recipe.data.validation):
        if split not in splits:
            raise DataError(f"{recipe.data.dataset} has no split '{split}'; it has {', '.join(splits)}")
    torch.manual_seed(seed)
    head = registry.head(recipe.head.name, recipe.head.parameters)
    module = head.build(CHANNELS, len(classes))
    assert isinstance(module, TrainingHead), f"the head '{recipe.head.name}' can't be trained"
    network = CompactNetwork(module)
    start = 0
    if checkpoint is not None:
        network.load_state_dict(checkpoint["network"])
        start = int(checkpoint["iteration"])
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch leaves this one out
    model = TrainedModel(network, module)
    validation = splits[recipe.data.validation].frames[: recipe.data.validation_frames]
    runner = _runner(recipe, model, splits[recipe.data.train], out, seed, start)
    if checkpoint is not None:
        runner.optim_wrapper.load_state_dict(checkpoint["optimizer"])
        for scheduler, state in zip(runner.param_schedulers, checkpoint["schedulers"], strict=True):
            scheduler.load_state_dict(state)
        torch.set_rng_state(checkpoint["random"])
    schedule = recipe.schedule
    runner.register_hook(LogHook(out / "log.jsonl", validation, schedule.validate_every, classes, progress))
    runner.register_hook(SaveHook(out / "checkpoint.pt", schedule.checkpoint_every, _record(recipe), seed))
    if start < schedule.iterations:
        runner.train()
    network.eval().to("cpu")
    quality = measure(network, validation, classes)
    file = out / f"{recipe.name}.safetensors"
    write_weights(file, network, head)
    write_card(file.with_suffix(".toml"), recipe, seed, classes.name, quality)
    return file


def _runner(recipe: Recipe, model: TrainedModel, found: FrameSet, out: Path, seed: int, start: int) -> Runner:
    schedule = recipe.schedule
    crops = Crops(found, recipe.data, seed, schedule.iterations)
    loader = DataLoader(crops, batch_size=None, sampler=Remaining(start, schedule.iterations))
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=schedule.learning_rate, weight_decay=schedule.weight_decay)
    wrapper = OptimWrapper(optimizer, clip_grad={"max_norm": schedule.clip})
    schedulers = [
        LinearLR(optimizer, start_factor=1e-3, by_epoch=False, begin=0, end=schedule.warmup),
        PolyLR(
            optimizer, power=schedule.power, eta_min=0.0, by_epoch=False, begin=schedule.warmup, end=schedule.iterations
        ),
    ]
    off: dict[str, Any] = dict.fromkeys(("logger", "checkpoint", "timer", "sampler_seed"))
    runner = Runner(
        model,
        work_dir=str(out / "mmengine"),
        train_dataloader=loader,
        train_cfg={"type": ResumableLoop, "max_iters": schedule.iterations},
        optim_wrapper=wrapper,
        param_scheduler=schedulers,
        default_hooks=off,
        randomness={"seed": seed},
        log_level=logging.ERROR,
        # MMEngine keeps one global scope a name, and warns of a second.
        experiment_name=f"{recipe.name}-{uuid.uuid4().hex}",
    )
    runner.train_loop._iter = start  # MMEngine's own resume sets it the same way
    return runner


def _record(recipe: Recipe) -> dict[str, Any]:
    record: dict[str, Any] = recipe.model_dump(mode="json")
    return record


def _checkpoint(file: Path, recipe: Recipe, seed: int) -> dict[str, Any] | None:
    if not file.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
        there, its_seed = json.loads(state["recipe"]), state["seed"]
    except Exception as error:  # a truncated zip, a foreign pickle, a missing key: each has a class of its own
        raise RunFolderError(
            f"{file}: not a checkpoint of oodbench train ({error})", "Remove it, or choose another --out."
        ) from None
    if (there, its_seed) != (_record(recipe), seed):
        raise RunFolderError(
            f"{file}: belongs to another training ({there['name']}, seed {its_seed}); this one is {recipe.name}, seed "
            f"{seed}",
            "Choose another --out, or remove the folder.",
        )
    return state
