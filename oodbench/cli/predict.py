"""`oodbench predict`: score maps and heatmaps of photographs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oodbench.cli.console import make_progress
from oodbench.cli.options import SOURCES, Checkpoint, Device, IdLimit, ModelCard, Plugins, Seed


def predict(
    images: Annotated[
        Path, typer.Argument(help="Folder of photographs, without subfolders, or one photograph.", metavar="IMAGES")
    ],
    method: Annotated[str, typer.Option(help="Method, as NAME or NAME:key=value,...", metavar="METHOD")] = "gmmseg",
    model: Annotated[
        str,
        typer.Option(
            help=f"Model. One of: {SOURCES}. Options of a model follow a colon: FILE:key=value,...",
            metavar="NAME|FILE",
        ),
    ] = "streets-gmmseg",
    checkpoint: Checkpoint = None,
    model_card: ModelCard = None,
    id_data: Annotated[
        list[str] | None,
        typer.Option(
            help="Folder to search for the in-distribution dataset, or NAME=DIR for the folder of one dataset. "
            "Repeatable. By default as for 'oodbench run'. For the bundled models, synthetic frames.",
            metavar="DIR|NAME=DIR",
        ),
    ] = None,
    id_limit: IdLimit = None,
    device: Device = "auto",
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the maps and heatmaps. By default a folder in runs/, named by a digest of the plan.",
            metavar="DIR",
        ),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="Leaderboard format (see 'oodbench list submissions') in which each image is written to --out. No "
            "threshold is computed, and no heatmaps are written.",
            metavar="NAME",
        ),
    ] = None,
    fit: Annotated[
        Path | None,
        typer.Option(
            help="With --format: file of the stored fit of the method, in the folder fits/ of a run.", metavar="FILE"
        ),
    ] = None,
    plugin: Plugins = None,
) -> None:
    """Score photographs without labels: write score maps and heatmaps, and print the share of anomalous pixels.

    A pixel counts as anomalous if its score is above the threshold calibrated on in-distribution frames.
    """
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
        progress.say(f"{len(done.shares)} images in the format {form}: {done.folder}")
    elif done.threshold is None:
        print("no threshold: calibration needs in-distribution frames (--id-data)")
    else:
        definition = f"{100 * done.threshold.share:g} % of in-distribution pixels score higher ({done.source})"
        print(f"threshold {done.threshold.score:.6g}: {definition}")
        for image_share in done.shares:
            print(f"{100 * (image_share.share or 0):6.2f} %  {image_share.image}")
    if form is None:
        progress.say(f"maps, heatmaps and shares: {done.folder}")
