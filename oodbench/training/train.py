"""`oodbench train`: a recipe, a seed and a folder become a network that runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from mmengine.dist import all_gather_object, get_dist_info, is_main_process

from oodbench.contracts import Roots
from oodbench.errors import DataError, DataNotFoundError, OodbenchError, RunFolderError, UsageError
from oodbench.progress import Progress
from oodbench.registry import Registry
from oodbench.segmenters.bundled import choose_device
from oodbench.segmenters.mmsegmentation.shims import quiet
from oodbench.storage.local import LocalStore
from oodbench.training.architectures.recipe import ArchitectureRecipe
from oodbench.training.catalogue import AnyRecipe
from oodbench.training.devices import Launcher, failing_together, join, leave
from oodbench.training.hooks import device_of, set_random_state
from oodbench.training.job import Trainee
from oodbench.training.loop import make_runner
from oodbench.training.recipe import Recipe
from oodbench.types import CITYSCAPES_19, ClassSet, FrameSet

# Of what differs from a training that lies in the folder.
_SHOWN = 4


@dataclass(frozen=True)
class Options:
    """What of a training no recipe says.

    Attributes:
        seed: of the weights, the frames' order and the crops.
        device: where.
        resume: there has to be a training to go on from.
        amp: half precision where it does no harm; on a GPU.
        workers: processes that read frames, in each process that trains.
        start: weights to start from, instead of what the recipe says.
        launcher: what started the processes that share each step.
        plugins: files with heads and datasets of the user's own.
    """

    seed: int = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    resume: bool = False
    amp: bool = False
    workers: int = 0
    start: Path | None = None
    launcher: Launcher = "none"
    plugins: Sequence[Path] = ()


def train(recipe: AnyRecipe, out: Path, progress: Progress, *, roots: Roots, options: Options | None = None) -> Path:
    """Train by a recipe, or go on where a run in the same folder stopped.

    Returns:
        The network's file in `out`, for --model, with its model card beside it.

    Raises:
        OodbenchError: the folder holds another training; the data is not there; and so on.
    """
    options = options or Options()
    device = join(options.launcher, choose_device(options.device))
    try:
        with ExitStack() as held:
            with failing_together():
                if is_main_process():  # which alone writes
                    held.enter_context(LocalStore(out).lock())
            file = _train(recipe, out, progress, roots, options, device)
    except OodbenchError:
        leave()
        raise
    # After a fault the others may be waiting in the middle of a step; they end when this process does.
    leave()
    return file


def _train(recipe: AnyRecipe, out: Path, progress: Progress, roots: Roots, options: Options, device: str) -> Path:
    """In a folder that this process holds."""
    file, (rank, ranks) = out / "checkpoint.pt", get_dist_info()
    with failing_together():
        checkpoint = _read(file)
        if checkpoint is None and options.resume:
            raise RunFolderError(f"{file}: no such file, so there is no training to resume", "Leave --resume out.")
        splits, classes = find_data(recipe, roots, options.plugins)
        trainee = make_trainee(recipe, splits, classes, options, device, ranks, resumed=checkpoint is not None)
        start = 0
        if checkpoint is not None:
            _check(checkpoint, file, trainee, options.seed, ranks)
            start = int(checkpoint["iteration"])
            _load(checkpoint, file, trainee)
    with failing_together():
        if len(set(all_gather_object(start))) > 1:
            raise RunFolderError(f"{file}: not all processes see it", "Give --out a folder that all machines share.")
    if isinstance(recipe, ArchitectureRecipe):
        from oodbench.training.architectures.overrides import override_lines

        for line in override_lines(recipe):
            progress.say(line)
    with progress.track("train", trainee.iterations - start, "steps") as advance:
        runner, log = make_runner(trainee, out, options.seed, start, advance)
        if checkpoint is not None:
            trainee.optimizer.load_state_dict(checkpoint["optimizer"])
            for scheduler, state in zip(trainee.schedulers, checkpoint["schedulers"], strict=True):
                scheduler.load_state_dict(state)
            set_random_state(checkpoint["random"][rank], device_of(trainee.model))
            del checkpoint  # gigabytes for a large network, and it would stay for all of the training
        if start < trainee.iterations:
            with quiet():
                runner.train()
    if not is_main_process():
        return out
    for fact, value in trainee.facts().items():
        progress.say(f"{fact}: {value:g}")
    quality = log.quality or trainee.measure(out / "validation")
    miou = "none, they have no labels" if quality["miou"] is None else f"{100 * quality['miou']:.2f} %"
    progress.say(f"mIoU on {len(trainee.validation)} frames: {miou}")
    return trainee.write(out, quality)


def make_trainee(
    recipe: AnyRecipe,
    splits: Mapping[str, FrameSet],
    classes: ClassSet,
    options: Options,
    device: str,
    ranks: int,
    *,
    resumed: bool = False,
) -> Trainee:
    """What the recipe trains.

    Args:
        recipe: of either kind.
        splits: of its dataset.
        classes: of that.
        options: the rest.
        device: of this process.
        ranks: processes that share a step.
        resumed: its state is still to come, so that no weights to start from are read.

    Raises:
        OodbenchError: what is asked for doesn't fit together; weights to start from are not there.
    """
    registry = Registry(options.plugins)
    if options.amp and device == "cpu":
        raise UsageError("--amp: half precision is for GPUs", "Leave it out.")
    if isinstance(recipe, Recipe):
        if ranks > 1 or options.start or options.amp:
            raise UsageError(
                f"{recipe.name}: the compact network trains on one device, from random weights, in single precision",
                "Leave --devices, --start and --amp out.",
            )
        from oodbench.training.bundled import CompactTrainee

        head = registry.head(recipe.head.name, recipe.head.parameters)
        return CompactTrainee(recipe, head, splits, classes, options.seed, device)
    from oodbench.training.architectures.job import ArchitectureTrainee, How

    how = How(options.seed, device, ranks, options.amp, options.workers, options.start, options.plugins)
    return ArchitectureTrainee(recipe, splits, classes, how, resumed=resumed)


def find_data(recipe: AnyRecipe, roots: Roots, plugins: Sequence[Path]) -> tuple[Mapping[str, FrameSet], ClassSet]:
    """The splits of the recipe's dataset, those of them that it needs among them, and its classes.

    Raises:
        DataError: it, or a part of it, is not there.
    """
    name, needed = _needed(recipe)
    dataset = Registry(plugins).dataset(name)
    try:
        splits = dataset.open(roots)
    except DataNotFoundError as error:
        raise DataNotFoundError(error.problem, (error.remedy or "").replace("--id-data", "--data")) from None
    for split in needed:
        if split not in splits:
            raise DataError(
                f"{name} has no split '{split}', which the recipe {recipe.name} needs; it has {', '.join(splits)}",
                "Complete the copy, or say with --data where a whole one lies. Architectures train on splits that are "
                "named train and val.",
            )
    return splits, dataset.classes(roots)


def data_or_nothing(
    recipe: AnyRecipe, roots: Roots, plugins: Sequence[Path]
) -> tuple[Mapping[str, FrameSet], ClassSet, str]:
    """As `find_data`; where it is not there, splits without frames, the classes of Cityscapes, and what is wrong."""
    try:
        return (*find_data(recipe, roots, plugins), "")
    except DataError as error:
        return dict.fromkeys(_needed(recipe)[1], FrameSet((), "", None, 0)), CITYSCAPES_19, error.problem


def _needed(recipe: AnyRecipe) -> tuple[str, tuple[str, str]]:
    """The dataset, and its splits to train and to validate on."""
    if isinstance(recipe, Recipe):
        return recipe.data.dataset, (recipe.data.train, recipe.data.validation)
    return recipe.data.dataset.value, ("train", "val")


def _read(file: Path) -> dict[str, Any] | None:
    if not file.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
        for key in ("seed", "iteration", "network", "optimizer", "schedulers"):
            state[key]
        json.loads(state["recipe"]), [random["cpu"] for random in state["random"]]
    except Exception as error:  # a truncated zip, a foreign pickle, a missing key: each has a class of its own
        raise RunFolderError(
            f"{file}: not a checkpoint of oodbench train, or one of another version ({str(error).partition('.')[0]})",
            "Remove it, or choose another --out.",
        ) from None
    return state


def _check(checkpoint: dict[str, Any], file: Path, trainee: Trainee, seed: int, ranks: int) -> None:
    """It is of this training."""
    # As JSON has it: lists for tuples.
    here = {"seed": seed, **json.loads(json.dumps(trainee.record))}
    there = {"seed": checkpoint["seed"], **json.loads(checkpoint["recipe"])}
    other = [
        f"{field} is {there.get(field)} there and {here.get(field)} here"
        for field in {**there, **here}
        if there.get(field) != here.get(field)
    ]
    if other:
        more = f", and {len(other) - _SHOWN} more" if len(other) > _SHOWN else ""
        raise RunFolderError(
            f"{file}: belongs to another training: {'; '.join(other[:_SHOWN])}{more}",
            "Choose another --out, or remove the folder.",
        )
    if len(checkpoint["random"]) != ranks:
        raise RunFolderError(
            f"{file}: {len(checkpoint['random'])} devices trained it; here are {ranks}",
            f"Go on with --devices {len(checkpoint['random'])}.",
        )


def _load(checkpoint: dict[str, Any], file: Path, trainee: Trainee) -> None:
    try:
        trainee.network.load_state_dict(checkpoint["network"])
    except RuntimeError as error:  # a plugin's head may have become another under the same name
        last = str(error).splitlines()[-1].strip()
        raise RunFolderError(
            f"{file}: the network is another now ({last})", "Choose another --out, or remove the folder."
        ) from None
