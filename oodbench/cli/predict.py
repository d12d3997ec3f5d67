"""`oodbench predict`: photographs to score maps and heatmaps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from oodbench.cli.console import make_progress
from oodbench.cli.options import SOURCES, Checkpoint, IdLimit, RunPlugins, Seed


def predict(
    images: Annotated[Path, typer.Argument(help="A folder of photographs, or one.", metavar="IMAGES")],
    method: Annotated[str, typer.Option(help="A method, as NAME or NAME:key=value,...", metavar="METHOD")] = "gmmseg",
    model: Annotated[
        str,
        typer.Option(
            help=f"A model: {SOURCES}.",
            metavar="NAME|FILE",
        ),
    ] = "streets-gmmseg",
    checkpoint: Checkpoint = None,
    model_card: Annotated[
        Path | None, typer.Option(help="What describes the network. By default FILE.toml.", metavar="FILE")
    ] = None,
    id_data: Annotated[
        list[str] | None,
        typer.Option(
            help="A folder with in-distribution frames (Cityscapes) to fit and calibrate on. Embedded networks have "
            "drawn ones.",
            metavar="DIR|NAME=DIR",
        ),
    ] = None,
    id_limit: IdLimit = None,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where the network runs.")] = "auto",
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for maps and heatmaps. By default one under runs/ that follows from the plan."),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="Write each image as a leaderboard takes it (oodbench list submissions) into --out, nothing else.",
            metavar="NAME",
        ),
    ] = None,
    fit: Annotated[
        Path | None,
        typer.Option(help="With --format: what the method learned, a file in the fits/ of a run.", metavar="FILE"),
    ] = None,
    plugin: RunPlugins = None,
) -> None:
    """Score photographs without labels: maps, heatmaps, and how much of each is above the in-distribution threshold."""
    from oodbench.workflows.predict import predict as predict_images

    progress = make_progress()
    done = predict_images(
        images,
        method=method,
        model=model,
        model_card=model_card,
        checkpoint=checkpoint,
        id_data=id_data or (),
        id_limit=id_limit,
        device=device,
        seed=seed,
        out=out,
        form=form,
        fit_file=fit,
        plugins=[str(path) for path in plugin or ()],
        progress=progress,
    )
    if form is not None:
        progress.say(f"{len(done.shares)} images as {form} takes them: {done.folder}")
    elif done.threshold is None:
        print("no threshold: without in-distribution frames (--id-data) it is not known what is common")
    else:
        part = f"{100 * done.threshold.share:g} % of in-distribution pixels score higher ({done.source})"
        print(f"threshold {done.threshold.score:.6g}: {part}")
        for each in done.shares:
            print(f"{100 * (each.share or 0):6.2f} %  {each.image}")
    if form is None:
        progress.say(f"maps, heatmaps and shares: {done.folder}")
