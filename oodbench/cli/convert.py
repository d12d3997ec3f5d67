"""`oodbench convert`: conversion of a checkpoint to safetensors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def convert(
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint written by MMEngine or torch.save.", metavar="FILE")],
    out: Annotated[
        Path | None, typer.Option(help="File to write. By default FILE with the ending .safetensors.", metavar="FILE")
    ] = None,
    trust: Annotated[
        bool,
        typer.Option(
            "--trust",
            help="Read FILE even if this runs code in it. Use this option only if you trust the author of FILE.",
        ),
    ] = False,
) -> None:
    """Convert the weights and class names of a checkpoint to safetensors, a format that can't contain code.

    Without --trust, only checkpoints of weights and plain values are read.
    """
    from oodbench.segmenters.checkpoint import convert as convert_checkpoint

    target = out or checkpoint.with_suffix(".safetensors")
    weights = convert_checkpoint(checkpoint, target, trust)
    classes = f"{len(weights.classes)} classes" if weights.classes else "no class names"
    print(f"{target}: {len(weights.state)} tensors, {classes}")
