"""`oodbench data blend`: a benchmark from frames of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oodbench.cli.console import make_progress
from oodbench.contracts import Roots
from oodbench.errors import DataNotFoundError, UsageError
from oodbench.registry import Registry

if TYPE_CHECKING:
    from oodbench.blending import BlendSummary
    from oodbench.types import Frame

_COUNT = 100


def blend(
    frames: Annotated[
        Path,
        typer.Option(help="In-distribution frames: a labelled data set (see 'data list') or images.", metavar="DIR"),
    ],
    out: Annotated[Path, typer.Option(help="Where to write images and labels; new or empty.", metavar="DIR")],
    count: Annotated[int, typer.Option(help="How many frames to write.", metavar="N")] = _COUNT,
    seed: Annotated[int, typer.Option(help="Of all chance.", metavar="N")] = 0,
    cutouts: Annotated[
        Path | None,
        typer.Option(help="PNGs with alpha to paste, <name>_<metres>m.png; else objects are painted.", metavar="DIR"),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Of a data set with splits, the one to take; else all.", metavar="NAME")
    ] = None,
) -> None:
    """Blend anomalies into frames of your own, and write them with labels as the benchmark synthetic-blend.

    Where the frames have labels, objects stand on the road, and ordinary objects are pasted among them.
    """
    from oodbench.blending import read_cutouts, write_blends

    found = _frames(frames, split)
    things = read_cutouts(cutouts) if cutouts else []
    with make_progress().track("blend", min(count, len(found)) + count, "frames") as advance:
        summary = write_blends(found, out, count, seed, things, lambda: advance(1))
    _say(summary, out, seed)


def _frames(folder: Path, split: str | None) -> tuple[Frame, ...]:
    """The frames of the one labelled data set that lies in the folder, or the images in it."""
    from oodbench.data import open_photographs

    registry = Registry()
    found = {}
    for name in registry.names("datasets"):
        dataset = registry.dataset(name)
        if folder.is_dir() and not dataset.card.synthetic:
            try:
                found[name] = dataset.open(Roots((folder,)))
            except DataNotFoundError:
                continue
    if len(found) > 1:
        raise UsageError(f"{folder} holds several data sets: {', '.join(found)}", "Give the folder of one of them.")
    for name, splits in found.items():
        if split is not None and split not in splits:
            raise UsageError(f"--split {split}: {name} in {folder} has the splits {', '.join(splits)}", "Choose one.")
        return tuple(frame for part, frames in splits.items() if split in (None, part) for frame in frames.frames)
    if split is not None:
        raise UsageError(f"--split {split}: {folder} holds no labelled data set", "Leave out --split.")
    return open_photographs(folder).frames


def _say(summary: BlendSummary, out: Path, seed: int) -> None:
    print(
        f"{out}: {summary.frames} frames of synthetic-blend from {summary.sources} of yours, seed {seed}: "
        f"{summary.anomalies} anomalies, {summary.ordinary} ordinary objects, {summary.empty} frames without an anomaly"
    )
    if not summary.labelled:
        print("your frames have no labels: the road is assumed straight ahead, and no ordinary objects are pasted")
    elif not summary.cuttable:
        print("no ordinary object in your frames could be cut out whole, so that none is pasted")
    print(f"use it:  oodbench run --benchmark synthetic-blend --data {out}")
