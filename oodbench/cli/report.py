"""`oodbench report`: a run's tables and figures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oodbench.registry import Registry


def report(
    run: Annotated[Path, typer.Argument(help="The folder of a run.", metavar="RUN")],
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", help="A report (oodbench list reports); repeat for several.", metavar="NAME"),
    ] = None,
    plugin: Annotated[
        list[Path] | None,
        typer.Option(help="A Python file with reports of your own, beside those of the run.", metavar="FILE"),
    ] = None,
) -> None:
    """Print a run's table (--format terminal, markdown, latex, csv) or draw its figures (--format heatmaps)."""
    from oodbench.pipeline import load

    done = load(run)
    files = [*done.record.plugins, *(path.absolute() for path in plugin or ())]
    registry = Registry(tuple(dict.fromkeys(files)))
    for name in formats or ["terminal"]:
        made = registry.report(name)
        if made.card.text:
            print(made.text(done), end="")
        else:
            for path in made.write(done, done.folder / "report"):
                print(path)
