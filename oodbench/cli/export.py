"""`oodbench export`: a run's stored score maps as files, named by the frames' ids."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oodbench.cli.console import make_progress
from oodbench.text import count_noun


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a run whose score maps are stored.", metavar="RUN")],
    out: Annotated[
        Path,
        typer.Option(
            help="Folder for the files. Files that it already contains must have the same content.", metavar="DIR"
        ),
    ],
    method: Annotated[
        str | None,
        typer.Option(help="Method to export, given by its name or its label in tables, if the run has several."),
    ] = None,
    network: Annotated[
        str | None, typer.Option(help="Network to export, if the run has several.", metavar="NAME")
    ] = None,
    benchmark: Annotated[
        str | None, typer.Option(help="Benchmark to export, if the run has several.", metavar="NAME")
    ] = None,
) -> None:
    """Write the stored score maps of a method as files named by the ids of the frames.

    The files are .npy with float32 [height, width], higher = more anomalous. 'oodbench evaluate --scores' reads them.
    """
    from oodbench.workflows.export import export_scores

    paths = export_scores(run, out, method=method, network=network, benchmark=benchmark, progress=make_progress())
    print(f"{out}: {count_noun(len(paths), 'score map')}, higher = more anomalous")
