"""`oodbench data blend`: creation of a benchmark from your own frames."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oodbench.cli.console import make_progress
from oodbench.contracts import Roots
from oodbench.errors import DataNotFoundError, UsageError
from oodbench.registry import Registry
from oodbench.text import count_noun

if TYPE_CHECKING:
    from oodbench.blending import BlendSummary
    from oodbench.types import Frame

_COUNT = 100


def blend(
    frames: Annotated[
        Path,
        typer.Option(
            help="Folder of frames without anomalies: a labelled dataset (see 'oodbench data list') or images.",
            metavar="DIR",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="Folder in which the images and labels are written. It must be new or empty, unless --overwrite is "
            "given.",
            metavar="DIR",
        ),
    ],
    count: Annotated[
        int,
        typer.Option(
            help="Number of frames to write, up to 9999. If the input has fewer frames, frames are used several times. "
            "If it has more frames, they are selected evenly.",
            metavar="N",
        ),
    ] = _COUNT,
    seed: Annotated[int, typer.Option(help="Random seed.", metavar="N")] = 0,
    cutouts: Annotated[
        Path | None,
        typer.Option(
            help="Folder of objects to paste: PNG files with an alpha channel. A name such as goose_0.6m.png sets the "
            "height of the object in metres; otherwise the height is 1 m. By default, oodbench renders objects.",
            metavar="DIR",
        ),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Split of the labelled dataset to use. By default all splits.", metavar="NAME")
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace the frames that an earlier 'oodbench data blend' wrote into --out."),
    ] = False,
) -> None:
    """Blend anomalies into your own frames and write them with labels as the benchmark synthetic-blend.

    If the frames have labels, anomalies are placed on the road, and ordinary objects are pasted as well.
    """
    from oodbench.blending import read_cutouts, write_blends

    sources = _find_frames(frames, split)
    objects = read_cutouts(cutouts) if cutouts else []
    with make_progress().track("blend", min(count, len(sources)) + count, "frames") as advance:
        summary = write_blends(sources, out, count, seed, objects, lambda: advance(1), overwrite=overwrite)
    _print_summary(summary, out, seed)


def _find_frames(folder: Path, split: str | None) -> tuple[Frame, ...]:
    """Return the frames of the only labelled dataset in the folder, or the folder's images if it has no dataset."""
    from oodbench.data import open_photographs

    registry = Registry()
    datasets = {}
    for name in registry.names("datasets"):
        dataset = registry.dataset(name)
        if folder.is_dir() and not dataset.card.synthetic:
            try:
                datasets[name] = dataset.open(Roots((folder,)))
            except DataNotFoundError:
                continue
    if len(datasets) > 1:
        raise UsageError(
            f"{folder} contains several datasets: {', '.join(datasets)}", "Give the folder of one of them."
        )
    for name, splits in datasets.items():
        if split is not None and split not in splits:
            raise UsageError(
                f"--split {split}: {name} in {folder} has the splits {', '.join(splits)}", "Give one of these splits."
            )
        return tuple(frame for part, frames in splits.items() if split in (None, part) for frame in frames.frames)
    if split is not None:
        raise UsageError(f"--split {split}: {folder} contains no labelled dataset", "Omit --split.")
    return open_photographs(folder).frames


def _print_summary(summary: BlendSummary, out: Path, seed: int) -> None:
    print(
        f"{out}: {count_noun(summary.frames, 'frame')} of synthetic-blend from "
        f"{count_noun(summary.sources, 'source frame')}, seed {seed}: "
        f"{summary.anomalies} anomalies, {summary.ordinary} ordinary objects, {summary.empty} frames without an anomaly"
    )
    if not summary.labelled:
        print("the source frames have no labels: the road is assumed straight ahead, no ordinary objects are pasted")
    elif not summary.cuttable:
        print("no ordinary object is pasted: the source frames contain none that can be cut out completely")
    print(f"use it:  oodbench run --benchmark synthetic-blend --data {out}")
