"""`oodbench predict`: score maps and heatmaps of photographs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oodbench.cli.console import BarProgress, PlainProgress, make_progress
from oodbench.cli.options import SOURCES, Checkpoint, Device, IdLimit, ModelCard, Plugins, Seed
from oodbench.errors import UsageError
from oodbench.text import count_noun

if TYPE_CHECKING:
    from oodbench.workflows.predict import Prediction


def predict(
    images: Annotated[
        list[Path], typer.Argument(help="Photographs, or folders of photographs without subfolders.", metavar="IMAGES")
    ],
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="Method, as NAME or NAME:key=value,... Repeatable: each method then has its own folder in --out. By "
            "default gmmseg.",
            metavar="METHOD",
        ),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            help=f"Model: a network with its preprocessing. One of: {SOURCES}. "
            "Options of a model follow a colon: FILE:key=value,...",
            metavar="NAME|FILE",
        ),
    ] = "streets-gmmseg",
    checkpoint: Checkpoint = None,
    model_card: ModelCard = None,
    id_data: Annotated[
        list[str] | None,
        typer.Option(
            help="Folder that is searched for a dataset of labelled frames without anomalies; or NAME=DIR, the folder "
            "of the dataset NAME. Repeatable. By default as for 'oodbench run'; for the bundled models, synthetic "
            "frames.",
            metavar="DIR|NAME=DIR",
        ),
    ] = None,
    id_limit: IdLimit = None,
    device: Device = "auto",
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the maps and heatmaps. By default a folder in runs/ whose name depends on the inputs.",
            metavar="DIR",
        ),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="Leaderboard format (see 'oodbench list submissions') in which the score map of each image is written "
            "to --out. No threshold is computed, and no heatmaps are written.",
            metavar="NAME",
        ),
    ] = None,
    fit: Annotated[
        Path | None,
        typer.Option(
            help="With --format: file with what the method learned (its fit), in the folder fits/ of a run.",
            metavar="FILE",
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Replace the maps and heatmaps of other photographs or another method in --out."
        ),
    ] = False,
    plugin: Plugins = None,
) -> None:
    """Score photographs without labels: write score maps and heatmaps, and print the share of anomalous pixels.

    A pixel counts as anomalous if its score is above a threshold, which is chosen on frames without anomalies.
    """
    from oodbench.registry import Registry
    from oodbench.workflows.predict import DEFAULT_METHOD
    from oodbench.workflows.predict import predict as predict_images

    methods = list(dict.fromkeys(method or [DEFAULT_METHOD]))
    if form is not None and len(methods) > 1:
        raise UsageError(f"--format {form} takes one --method, not {len(methods)}", "Give one --method.")
    progress = make_progress()
    if len(methods) > 1:
        registry = Registry(tuple(plugin or ()))
        for spec in methods:  # before the first one is computed
            registry.method(spec)
    for spec in methods:
        done = predict_images(
            images,
            method=spec,
            model=model,
            model_card=model_card,
            checkpoint=checkpoint,
            id_data=id_data or (),
            id_limit=id_limit,
            device=device,
            seed=seed,
            out=out / re.sub(r"[:,/\\]", "-", spec) if out is not None and len(methods) > 1 else out,
            form=form,
            fit_file=fit,
            overwrite=overwrite,
            plugins=[str(path) for path in plugin or ()],
            progress=progress,
        )
        if len(methods) > 1:
            print(f"{spec}:")
        _print(done, form, progress)


def _print(done: Prediction, form: str | None, progress: PlainProgress | BarProgress) -> None:
    if form is not None:
        progress.say(f"{count_noun(len(done.shares), 'image')} in the format {form}: {done.folder}")
        return
    if done.threshold is None:
        print("no threshold: calibration needs in-distribution frames (--id-data)")
    else:
        definition = f"{100 * done.threshold.share:g} % of in-distribution pixels score higher ({done.source})"
        print(f"threshold {done.threshold.score:.6g}: {definition}")
        for image_share in done.shares:
            print(f"{100 * (image_share.share or 0):6.2f} %  {image_share.image}")
    progress.say(f"maps, heatmaps and shares: {done.folder}")
