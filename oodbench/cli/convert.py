"""`oodbench convert`: a checkpoint to safetensors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def convert(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint, as MMEngine writes it.", metavar="FILE")],
    out: Annotated[
        Path | None, typer.Option(help="The file to write. By default FILE.safetensors.", metavar="FILE")
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Read FILE even if that runs code in it: you trust whoever made it.")
    ] = False,
) -> None:
    """Write the weights of a checkpoint, and the names of its classes, as safetensors, which can hold no code.

    Without --trust only checkpoints of weights and plain values are read.
    """
    from oodbench.segmenters.checkpoint import convert as write

    target = out or checkpoint.with_suffix(".safetensors")
    weights = write(checkpoint, target, trust)
    classes = f"{len(weights.classes)} classes" if weights.classes else "no names of classes"
    print(f"{target}: {len(weights.state)} tensors, {classes}")
