"""`oodbench merge`: the pieces of a run put together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from oodbench.cli.console import make_progress


def merge(
    folders: Annotated[
        list[Path], typer.Argument(help="What was --out of 'oodbench run --shard i/n'; several where it differed.")
    ],
    out: Annotated[Path | None, typer.Option(help="Folder of the whole run. By default the first of those.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print result.json, and nothing else, to standard output.")
    ] = False,
) -> None:
    """Put the pieces of a run together: the same numbers as one process, to the last digit."""
    from oodbench.pipeline import merge as put_together

    progress = make_progress()
    done = put_together(folders, out, progress)
    if as_json:
        print(json.dumps(done.result, indent=1))
    else:
        print(done.registry.report("terminal").text(done), end="")
        progress.say(f"table and figures: {done.folder / 'report'}")
