"""`oodbench report`: a run's tables and figures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    run: Annotated[Path, typer.Argument(help="The folder of a run.", metavar="RUN")],
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", help="A report (oodbench list reports); repeat for several.", metavar="NAME"),
    ] = None,
) -> None:
    """Print a run's table (--format terminal, markdown, latex, csv) or draw its figures (--format heatmaps)."""
    from oodbench.pipeline import load

    done = load(run)
    for name in formats or ["terminal"]:
        plugin = done.registry.report(name)
        if plugin.card.text:
            print(plugin.text(done), end="")
        else:
            for path in done.report(name):
                print(path)
