"""`oodbench merge`: combination of the shards of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oodbench.cli.console import make_progress, print_run, say_reports
from oodbench.cli.options import ResultAsJson


def merge(
    folders: Annotated[
        list[Path],
        typer.Argument(
            help="Folder given as --out to 'oodbench run --shard i/n'. Give all of them if they differ.", metavar="DIR"
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the combined run. By default the first of the given folders.", metavar="DIR"),
    ] = None,
    as_json: ResultAsJson = False,
) -> None:
    """Combine the shards of a run. The results are bit-identical to those of one process."""
    from oodbench.workflows.merge import merge as merge_shards

    progress = make_progress()
    done = merge_shards(folders, out, progress)
    print_run(done, as_json=as_json)
    if not as_json:
        say_reports(done, progress)
