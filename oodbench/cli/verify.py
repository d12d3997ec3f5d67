"""`oodbench verify`: whether a run is what it says."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from oodbench.cli.console import make_progress
from oodbench.cli.exit_codes import ExitCode


def verify(
    run: Annotated[Path, typer.Argument(help="The folder of a run.", metavar="RUN")],
) -> None:
    """Check the digests of weights, frames, scores and rows, and compute the metrics once more from the stored scores.

    Exit codes: 0 everything was checked and is right, 2 something is wrong, 5 something could not be checked.
    """
    from oodbench.runs.verify import UNRECORDED
    from oodbench.runs.verify import verify as look

    found = look(run, make_progress())
    for checked in found:
        print(checked)
    count = Counter(checked.verdict for checked in found)
    print(f"{run}: {count['right']} right, {count['wrong']} wrong, {count['not checked']} not checked")
    if count["wrong"]:
        raise typer.Exit(ExitCode.MISTAKE)
    if any(check.verdict == "not checked" and check.what != UNRECORDED for check in found):
        raise typer.Exit(ExitCode.NOT_VERIFIED)
