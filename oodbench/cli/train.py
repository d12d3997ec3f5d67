"""`oodbench train`: a network by a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from oodbench.cli.console import make_progress
from oodbench.errors import MissingExtraError, UsageError


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
    plugin: Annotated[list[Path] | None, typer.Option(help="A plugin file. Repeatable.", metavar="FILE")] = None,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where to train.")] = "auto",
    list_recipes: Annotated[bool, typer.Option("--list", help="List the recipes and exit.")] = False,
) -> None:
    """Train a network, or go on with a training that was stopped."""
    from oodbench.training.recipe import read_recipe, recipe_names

    if list_recipes:
        for name in recipe_names():
            print(f"{name}  {read_recipe(name).title}")
        return
    if recipe is None:
        raise UsageError("no recipe was named", f"One of {', '.join(recipe_names())}, or a file NAME.toml.")
    chosen = read_recipe(recipe)
    try:
        from oodbench.training.train import train as train_network
    except ImportError as error:
        raise MissingExtraError("oodbench train", "train", error) from None
    from oodbench.pipeline.request import data_roots
    from oodbench.registry import Registry

    roots, _ = data_roots(data or [], [])
    folder = out or Path("runs") / f"{chosen.name}-{seed}"
    file = train_network(
        chosen,
        folder,
        make_progress(),
        registry=Registry(plugin or []),
        roots=roots,
        seed=seed,
        device=device,
    )
    print(file)
