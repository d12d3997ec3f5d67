"""`oodbench status`: what a run has computed, and what is left."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oodbench.cli.exit_codes import ExitCode
from oodbench.cli.options import TextAsJson
from oodbench.text import escape_controls

if TYPE_CHECKING:
    from oodbench.runs.completion.records import RunStatus

_EXIT_CODES = {"done": ExitCode.DONE, "failed": ExitCode.SOME_FAILED}


def status(
    run: Annotated[
        Path,
        typer.Argument(help="Folder of a run or of its shards, given as --out to 'oodbench run'.", metavar="RUN"),
    ],
    as_json: TextAsJson = False,
) -> None:
    """Show what a run or its shards have computed, what is left, and how long the scoring will take.

    The run can still be running, and is not disturbed. No score map is read.

    Exit codes: 0 everything is done, 4 a benchmark or a shard failed, 75 the run is not finished.
    """
    from oodbench.runs.status import status as read_status

    found = read_status(run)
    if as_json:
        print(json.dumps(asdict(found), indent=1, allow_nan=False))
    else:
        _print_status(found)
    if code := _EXIT_CODES.get(found.state, ExitCode.STOPPED):
        raise typer.Exit(code)


def _print_status(found: RunStatus) -> None:
    print(escape_controls(f"{found.run}: {found.state}; time left for scoring: {_format_time(found.seconds_left)}"))
    _print_table(("stage", "done", "state"), ((s.stage, f"{s.done}/{s.planned}", s.state) for s in found.stages))
    _print_table(
        ("benchmark", "frames", "results", "state"),
        (
            (part.benchmark, f"{part.scored}/{part.frames}", f"{part.evaluated}/{part.results}", part.state)
            for part in found.benchmarks
        ),
    )
    if found.shards:
        _print_table(
            ("shard", "frames", "time left", "state"),
            (
                (part.shard, f"{part.scored}/{part.frames}", _format_time(part.seconds_left), part.state)
                for part in found.shards
            ),
        )
    problems = [*(part.problem for part in found.benchmarks), *(part.problem for part in found.shards)]
    for problem in filter(None, problems):
        print(escape_controls(f"\n{problem}", "\n"))
    done = {stage.stage for stage in found.stages if stage.state == "done"}
    if found.shards and "score" in done and "evaluate" not in done:
        print(f"all frames are scored: oodbench merge {found.run}", file=sys.stderr)


def _print_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    lines = [headings, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    print()
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _format_time(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    minutes = round(seconds / 60)
    if minutes < 2:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
