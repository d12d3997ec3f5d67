"""Training by a recipe, as `oodbench train` runs it."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from mmengine.dist import all_gather_object, get_dist_info, is_main_process

from oodbench.contracts import Roots
from oodbench.errors import OodbenchError, RunFolderError, TrainingError, UsageError
from oodbench.out_of_memory import find_memory_error, summarise_memory_error
from oodbench.progress import Progress
from oodbench.registry import Registry
from oodbench.segmenters.device import choose_device
from oodbench.segmenters.mmsegmentation.shims import suppress_warnings
from oodbench.storage.local import LocalStore
from oodbench.text import count_noun
from oodbench.threads import limit_threads
from oodbench.training.architectures.recipe import ArchitectureRecipe
from oodbench.training.bundled_recipe import BundledRecipe
from oodbench.training.checkpoint import check_checkpoint, get_device, load_network, read_checkpoint, set_random_state
from oodbench.training.data import TrainingData, find_data
from oodbench.training.devices import connect_processes, disconnect_processes, synchronized_errors
from oodbench.training.job import TrainingJob
from oodbench.training.loop import make_runner
from oodbench.training.options import TrainingOptions
from oodbench.training.recipe import Recipe


def train(
    recipe: Recipe, out: Path, progress: Progress, *, roots: Roots, options: TrainingOptions | None = None
) -> Path:
    """Train a network, or resume the training if the folder has a checkpoint of it.

    Args:
        recipe: Recipe of the training.
        out: Folder of the training.
        progress: Receiver of progress messages.
        roots: Folders to look for the dataset in.
        options: Options that the recipe does not determine.

    Returns:
        The network's file in `out`, for --model. Its model card is next to it.

    Raises:
        OodbenchError: The folder has another training, the data is not found, or the options don't fit the recipe.
    """
    options = options or TrainingOptions()
    device = connect_processes(options.launcher, choose_device(options.device))
    try:
        with ExitStack() as stack:
            stack.enter_context(limit_threads())
            with synchronized_errors():
                if is_main_process():  # no other process writes
                    stack.enter_context(LocalStore(out).lock())
            file = _train(recipe, out, progress, roots, options, device)
    except OodbenchError:
        disconnect_processes()
        raise
    except Exception as error:
        # The other processes may be waiting in the middle of a step. They end with this process.
        cause = find_memory_error(error)
        if cause is None:
            raise
        settings = {name.rpartition(".")[2]: value for name, (value, _) in recipe.settings().items()}
        height, width = settings["crop"]
        raise TrainingError(
            f"{recipe.name}: not enough memory on the device {device} for a step with "
            f"{settings.get('batch', settings.get('crops'))} crops of {height} x {width} pixels "
            f"({summarise_memory_error(cause)})",
            "Close other programs, and run the same command again: it resumes from the last checkpoint. Or change the "
            "recipe to smaller crops or fewer per step, and train into another folder.",
        ) from error
    disconnect_processes()
    return file


def _train(recipe: Recipe, out: Path, progress: Progress, roots: Roots, options: TrainingOptions, device: str) -> Path:
    """Train in a folder that this process has locked."""
    file, (rank, processes) = out / "checkpoint.pt", get_dist_info()
    with synchronized_errors():
        checkpoint = read_checkpoint(file)
        if checkpoint is None and options.resume:
            raise RunFolderError(f"{file}: no such file, so there is no training to resume", "Omit --resume.")
        data = find_data(recipe, roots, options.plugins)
        job = make_job(recipe, data, options, device, processes=processes, resumed=checkpoint is not None)
        start = 0
        if checkpoint is not None:
            check_checkpoint(checkpoint, file, job, options.seed, processes)
            start = int(checkpoint["iteration"])
            load_network(checkpoint, file, job)
    with synchronized_errors():
        if len(set(all_gather_object(start))) > 1:
            raise RunFolderError(
                f"{file}: not all processes have this file", "Give --out a folder that all machines share."
            )
    for line in job.describe_overrides():
        progress.say(line)
    with progress.track("train", job.iterations - start, "steps") as advance:
        runner, log = make_runner(job, out, options.seed, start, advance)
        if checkpoint is not None:
            job.optimizer.load_state_dict(checkpoint["optimizer"])
            for scheduler, state in zip(job.schedulers, checkpoint["schedulers"], strict=True):
                scheduler.load_state_dict(state)
            set_random_state(checkpoint["random"][rank], get_device(job.model))
            del checkpoint  # it takes gigabytes for a large network, which the training needs
        if start < job.iterations:
            with suppress_warnings():
                runner.train()
    if not is_main_process():
        return out
    for fact, value in job.facts().items():
        progress.say(f"{fact}: {value:g}")
    quality = log.quality or job.measure(out / "validation")
    miou = "none, they have no labels" if quality["miou"] is None else f"{100 * quality['miou']:.2f} %"
    progress.say(f"mIoU on {count_noun(len(job.validation), 'frame')}: {miou}")
    return job.write(out, quality)


def make_job(
    recipe: Recipe,
    data: TrainingData,
    options: TrainingOptions,
    device: str,
    *,
    processes: int = 1,
    resumed: bool = False,
) -> TrainingJob:
    """Build the training job of a recipe.

    Args:
        recipe: Recipe of either kind.
        data: Dataset of the recipe.
        options: Options that the recipe does not determine.
        device: Device of this process.
        processes: Number of processes that share a step.
        resumed: Whether the state is loaded later, so that no initial weights are read.

    Raises:
        OodbenchError: The recipe and the options don't fit together, or the initial weights are not found.
    """
    if options.amp and device == "cpu":
        raise UsageError("--amp: half precision is for GPUs", "Omit --amp.")
    if isinstance(recipe, BundledRecipe):
        if processes > 1 or options.start or options.amp:
            raise UsageError(
                f"{recipe.name}: the compact network trains on one device, from random weights, in single precision",
                "Omit --devices, --start and --amp.",
            )
        from oodbench.training.bundled import BundledJob

        head = Registry(options.plugins).head(recipe.head.name, recipe.head.parameters)
        return BundledJob(recipe, head, data, options.seed, device)
    assert isinstance(recipe, ArchitectureRecipe), "there are two kinds of recipe"
    from oodbench.training.architectures.job import ArchitectureJob

    return ArchitectureJob(recipe, data, options, device, processes=processes, resumed=resumed)
