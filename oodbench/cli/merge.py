"""`oodbench merge`: the pieces of a run put together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oodbench.cli.console import make_progress, print_run
from oodbench.cli.options import ResultAsJson


def merge(
    folders: Annotated[
        list[Path], typer.Argument(help="What was --out of 'oodbench run --shard i/n'; several where it differed.")
    ],
    out: Annotated[Path | None, typer.Option(help="Folder of the whole run. By default the first of those.")] = None,
    as_json: ResultAsJson = False,
) -> None:
    """Put the pieces of a run together: the same numbers as one process, to the last digit."""
    from oodbench.workflows.merge import merge as put_together

    progress = make_progress()
    done = put_together(folders, out, progress)
    print_run(done, as_json=as_json)
    if not as_json:
        progress.say(f"table and figures: {done.folder / 'report'}")
