"""`oodbench train`: a network by a recipe."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from oodbench.cli.console import make_progress
from oodbench.cli.exit_codes import ExitCode
from oodbench.errors import MissingExtraError, StoppedElsewhereError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence


def train(
    recipe: Annotated[
        str | None, typer.Argument(help="A recipe's name, or a file NAME.toml.", metavar="RECIPE")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the training. [default: runs/RECIPE-SEED]", metavar="DIR")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the weights, the frames' order and the crops.", min=0)] = 0,
    data: Annotated[
        list[str] | None, typer.Option(help="Where the dataset lies: DIR or NAME=DIR. Repeatable.", metavar="DIR")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Only go on with a training that is there; it goes on without this, too.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print configuration, parameters, memory and the time of a step; no more.")
    ] = False,
    devices: Annotated[int, typer.Option(help="Processes, a GPU each, that share a step evenly.", min=1)] = 1,
    launcher: Annotated[
        Literal["pytorch", "slurm"] | None,
        typer.Option(help="What started the processes. [default: torchrun is noticed]"),
    ] = None,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where to train.")] = "auto",
    amp: Annotated[bool, typer.Option("--amp", help="Half precision, on a GPU.")] = False,
    workers: Annotated[int, typer.Option(help="Processes that read frames, for each device.", min=0)] = 4,
    start: Annotated[Path | None, typer.Option(help="Weights of the backbone to start from.", metavar="FILE")] = None,
    plugin: Annotated[list[Path] | None, typer.Option(help="A plugin file. Repeatable.", metavar="FILE")] = None,
    list_recipes: Annotated[bool, typer.Option("--list", help="List the recipes and exit.")] = False,
) -> None:
    """Train a network, or go on with a training that was stopped."""
    from oodbench.training.catalogue import all_recipe_names, find_recipe
    from oodbench.training.recipe import Recipe

    if list_recipes:
        width = max(map(len, all_recipe_names()))
        for name in all_recipe_names():
            print(f"{name:<{width}}  {find_recipe(name).title}")
        return
    if recipe is None:
        raise UsageError("no recipe was named", "One of oodbench train --list, or a file NAME.toml.")
    chosen = find_recipe(recipe)
    try:
        from oodbench.training.devices import (
            Launcher,
            check_launched,
            check_share,
            is_first,
            keep_memory,
            launched,
            run_side_by_side,
        )
        from oodbench.training.train import Options, find_data
        from oodbench.training.train import train as train_network
    except ImportError as error:
        extra = "train" if isinstance(chosen, Recipe) else "mmseg"
        raise MissingExtraError("oodbench train", extra, error) from None
    from oodbench.planning.request import data_roots
    from oodbench.progress import Silent
    from oodbench.segmenters.device import choose_device

    started_by: Launcher = launcher or launched()
    _, roots = data_roots([], data or [])
    if devices > 1 and started_by == "none" and not dry_run:
        # What can be known before is said once, and not by each of them.
        check_share(chosen, devices, choose_device(device))
        find_data(chosen, roots, tuple(plugin or ()))
        raise typer.Exit(run_side_by_side(devices, _again, sys.argv[1:]))
    if choose_device(device) == "cpu":
        keep_memory()
    options = Options(seed, device, resume, amp, workers, start, started_by, tuple(plugin or ()))
    if dry_run:
        from oodbench.training.dry_run import dry_run as tell

        for line in tell(chosen, roots=roots, options=options, devices=devices):
            print(line, flush=True)
        return
    folder = out or Path("runs") / f"{chosen.name}-{seed}"
    check_launched(started_by, devices)
    first = is_first(started_by)
    progress = make_progress() if first else Silent()
    try:
        file = train_network(chosen, folder, progress, roots=roots, options=options)
    except StoppedElsewhereError:
        raise typer.Exit(ExitCode.MISTAKE) from None
    if first:
        print(file)


def _again(arguments: Sequence[str]) -> int:
    """This command in one of the processes that share the steps."""
    from oodbench.cli.main import main

    sys.argv[1:] = arguments
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0
