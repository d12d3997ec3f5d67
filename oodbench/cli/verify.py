"""`oodbench verify`: verification of a run against its records, its inputs and its networks."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from oodbench.cli.console import make_progress
from oodbench.cli.exit_codes import ExitCode
from oodbench.cli.options import RunData, RunIdData, RunPlugins, Trust


def verify(
    run: Annotated[Path, typer.Argument(help="Folder of a run.", metavar="RUN")],
    data: RunData = None,
    id_data: RunIdData = None,
    plugin: RunPlugins = None,
    trust: Trust = False,
    recompute: Annotated[
        int,
        typer.Option(
            help="Frames per benchmark, chosen at random, that the networks score again. 0: the networks compute "
            "nothing.",
            metavar="N",
            min=0,
        ),
    ] = 2,
    seed: Annotated[
        int | None,
        typer.Option(
            help="Seed of the choice of frames, to repeat a verification. By default a new one, which is printed.",
            metavar="N",
            min=0,
        ),
    ] = None,
) -> None:
    """Check that weights, frames, scores and results are unchanged, and that the numbers are correct.

    The networks score a few frames again, and their quality on the in-distribution frames is measured again. The
    metrics are computed again from the stored scores, and the tables from the results. Nothing is written.

    Exit codes: 0 all checks passed, 2 at least one check failed, 5 a part of the run could not be checked.
    The line 'the rest', which lists what no check covers, does not count.
    """
    from oodbench.runs.load import load
    from oodbench.runs.verification.files import UNRECORDED
    from oodbench.runs.verify import verify as verify_run

    loaded_run = load(run, plugins=plugin or (), trust=trust, data=data or (), id_data=id_data or ())
    checks = verify_run(loaded_run, make_progress(), recompute=recompute, seed=seed)
    for check in checks:
        print(check)
    count = Counter(check.verdict for check in checks if check.what != UNRECORDED)
    print(
        f"{run}: {count['right']} right, {count['wrong']} wrong, {count['not checked']} not checked "
        f"('{UNRECORDED}' is not counted)"
    )
    if count["wrong"]:
        raise typer.Exit(ExitCode.MISTAKE)
    if count["not checked"]:
        raise typer.Exit(ExitCode.NOT_VERIFIED)
