"""`oodbench merge`: combination of the shards of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oodbench.cli.console import make_progress, print_run, say_reports
from oodbench.cli.options import ResultAsJson, RunData, RunPlugins, Trust


def merge(
    folders: Annotated[
        list[Path],
        typer.Argument(
            help="Folder that was given as --out to 'oodbench run --shard i/n'. If the shards have different folders, "
            "give all folders.",
            metavar="DIR",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the combined run. By default the first of the given folders.", metavar="DIR"),
    ] = None,
    as_json: ResultAsJson = False,
    data: RunData = None,
    plugin: RunPlugins = None,
    trust: Trust = False,
) -> None:
    """Combine the shards of a run, the parts that separate processes scored.

    The results are bit-identical to those of a run in one process.
    """
    from oodbench.workflows.merge import merge as merge_shards

    progress = make_progress()
    done = merge_shards(folders, out, progress, plugins=plugin or (), trust=trust, data=data or ())
    print_run(done, as_json=as_json)
    if not as_json:
        say_reports(done, progress)
