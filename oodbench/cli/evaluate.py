"""`oodbench evaluate`: the rows of a run anew from its stored scores, without its networks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from oodbench.cli.console import make_progress


def evaluate(
    run: Annotated[Path, typer.Argument(help="The folder of a run.", metavar="RUN")],
    protocol: Annotated[
        list[str] | None,
        typer.Option(help="The rules to read the scores by (oodbench list protocols). Repeatable.", metavar="NAME"),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print result.json, and nothing else, to standard output.")
    ] = False,
) -> None:
    """Compute a run's rows anew from its stored scores, without its networks."""
    from oodbench.pipeline import load

    done = load(run).evaluate(make_progress(), protocol or ["pooled"])
    print(json.dumps(done.result, indent=1) if as_json else done.registry.report("terminal").text(done), end="")
