"""`oodbench train`: training of a network by a recipe."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from oodbench.cli.console import make_progress
from oodbench.cli.exit_codes import ExitCode
from oodbench.cli.launch import run_command
from oodbench.cli.options import PLUGIN_HELP, Device
from oodbench.errors import MissingExtraError, StoppedElsewhereError, StopRequestedError, UsageError

if TYPE_CHECKING:
    from oodbench.contracts import Roots
    from oodbench.training.options import TrainingOptions


def train(
    recipe: Annotated[
        str | None,
        typer.Argument(
            help="Recipe, the settings of a training: a name (see --list) or a file NAME.toml.", metavar="RECIPE"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder in which the training is stored. By default runs/RECIPE-SEED.", metavar="DIR"),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Random seed for initial weights, frame order and crops.", min=0, metavar="N")
    ] = 0,
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="Folder that is searched for the dataset, or NAME=DIR, the folder of the dataset NAME. Repeatable. By "
            "default as --id-data of 'oodbench run'. Synthetic datasets need no folder.",
            metavar="DIR|NAME=DIR",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="End with an error if there is no checkpoint to resume. Without this option, the training resumes if "
            "there is a checkpoint, and starts otherwise.",
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print the settings with the source of each value, the number of parameters, and the memory and time "
            "per step on this machine, and exit.",
        ),
    ] = False,
    devices: Annotated[
        int,
        typer.Option(
            help="Number of processes on this machine, one per GPU, that share the crops of each step. It must divide "
            "the number of crops per step.",
            min=1,
            metavar="N",
        ),
    ] = 1,
    launcher: Annotated[
        Literal["pytorch", "slurm"] | None,
        typer.Option(
            help="Program that started the processes: torchrun ('pytorch') or Slurm. By default torchrun is detected."
        ),
    ] = None,
    device: Device = "auto",
    amp: Annotated[bool, typer.Option("--amp", help="Use automatic mixed precision. Needs a GPU.")] = False,
    workers: Annotated[
        int,
        typer.Option(
            help="Number of processes per device that read frames, at most one per core that the training may use. "
            "Synthetic frames need no such processes.",
            min=0,
            metavar="N",
        ),
    ] = 4,
    start: Annotated[
        Path | None,
        typer.Option(
            help="File with the initial weights of the backbone. By default the file that the recipe's config names.",
            metavar="FILE",
        ),
    ] = None,
    plugin: Annotated[list[Path] | None, typer.Option(help=PLUGIN_HELP, metavar="FILE")] = None,
    list_recipes: Annotated[bool, typer.Option("--list", help="List the recipes and exit.")] = False,
) -> None:
    """Train a network by a recipe, or resume an interrupted training."""
    from oodbench.training.catalogue import load_recipe

    if list_recipes:
        _print_recipes()
        return
    if recipe is None:
        raise UsageError("no recipe was given", "Give a name from 'oodbench train --list', or a file NAME.toml.")
    loaded = load_recipe(recipe)
    try:
        from oodbench.training.data import find_data
        from oodbench.training.devices import check_gpu_count, check_launcher, detect_launcher, run_processes
        from oodbench.training.dry_run import describe_training
    except ImportError as error:
        raise MissingExtraError("oodbench train", loaded.extra, error) from None
    from oodbench.planning.request import data_roots
    from oodbench.segmenters.device import choose_device
    from oodbench.training.options import TrainingOptions

    started_by, plugins = launcher or detect_launcher(), tuple(plugin or ())
    options = TrainingOptions(seed, device, resume, amp, workers, start, started_by, plugins)
    _, roots = data_roots([], data or [])
    if dry_run:
        _keep_freed_memory(options)
        for line in describe_training(loaded, roots=roots, options=options, devices=devices):
            print(line, flush=True)
        return
    training = _Training(recipe, out or Path("runs") / f"{loaded.name}-{seed}", roots, options)
    if devices > 1 and started_by == "none":
        # These checks run here too, so that their errors are printed once and not by each process.
        loaded.check_device_count(devices)
        check_gpu_count(devices, choose_device(device))
        find_data(loaded, roots, plugins)
        distributed = replace(training, options=replace(options, launcher="pytorch"))
        raise typer.Exit(run_processes(devices, _train_in_process, distributed))
    check_launcher(started_by, devices)
    _train(training)


@dataclass(frozen=True)
class _Training:
    """The arguments of a training that are passed to each process."""

    recipe: str
    folder: Path
    roots: Roots
    options: TrainingOptions


def _print_recipes() -> None:
    from oodbench.training.catalogue import list_recipes, load_recipe

    width = max(map(len, list_recipes()))
    for name in list_recipes():
        print(f"{name:<{width}}  {load_recipe(name).title}")


def _keep_freed_memory(options: TrainingOptions) -> None:
    from oodbench.segmenters.device import choose_device
    from oodbench.training.devices import keep_freed_memory

    if choose_device(options.device) == "cpu":
        keep_freed_memory()


def _train(training: _Training) -> None:
    """Train in this process, which can be one of several that share the training."""
    from oodbench.progress import Silent
    from oodbench.training.catalogue import load_recipe
    from oodbench.training.devices import is_first_process
    from oodbench.training.train import train as train_network

    options = training.options
    _keep_freed_memory(options)
    first = is_first_process(options.launcher)
    progress = make_progress() if first else Silent()
    try:
        file = train_network(
            load_recipe(training.recipe), training.folder, progress, roots=training.roots, options=options
        )
    except StopRequestedError:
        if first:
            raise
        raise SystemExit(ExitCode.STOPPED) from None
    except StoppedElsewhereError:
        raise SystemExit(ExitCode.MISTAKE) from None
    if first:
        print(file)


def _train_in_process(training: _Training) -> int:
    """Train in a worker process, and return its exit code."""
    try:
        run_command(lambda: _train(training))
    except SystemExit as end:
        return int(end.code or 0)
    return 0
