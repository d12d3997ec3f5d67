"""`oodbench submit`: a run's stored scores as a leaderboard takes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oodbench.cli.console import make_progress
from oodbench.cli.exit_codes import ExitCode
from oodbench.errors import UsageError

if TYPE_CHECKING:
    from oodbench.workflows.submit import SubmissionResult


def submit(
    target: Annotated[
        str,
        typer.Argument(help="NAME or NAME:key=value,... (oodbench list submissions).", metavar="TARGET"),
    ],
    path: Annotated[
        Path, typer.Argument(help="The folder of a run; with --check a folder or an archive.", metavar="RUN|PATH")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Folder for the submission: new, empty, or with the same submission.")
    ] = None,
    method: Annotated[str | None, typer.Option(help="Which method of the run, where it has several.")] = None,
    network: Annotated[str | None, typer.Option(help="Which network of the run, where it has several.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing: say what is wrong with PATH. Exit code 2 if anything is.")
    ] = False,
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="With --check: a folder with the frames, to hold names and sizes against.", metavar="DIR|NAME=DIR"
        ),
    ] = None,
    plugin: Annotated[
        list[Path] | None, typer.Option(help="A Python file with a submission of your own.", metavar="FILE")
    ] = None,
) -> None:
    """Write a submission, check it, read it back and score it again; or check one (--check)."""
    if check:
        if out or method or network:
            raise UsageError(
                "--check writes nothing: --out, --method and --network don't go with it", "Leave them out."
            )
        _check(target, path, data or [], plugin or [])
        return
    if data:
        raise UsageError("--data goes with --check; a run has its own frames", "Leave it out.")
    if out is None:
        raise UsageError("submit needs a folder to write into", "Give it: --out DIR.")
    from oodbench.workflows.submit import submit as write

    progress = make_progress()
    given = [str(file) for file in plugin or ()]
    _print(write(target, path, out, method=method, network=network, plugins=given, progress=progress))


def _check(target: str, path: Path, data: list[str], plugin: list[Path]) -> None:
    from oodbench.workflows.submit import check_submission

    found = check_submission(target, path, data=data, plugins=[str(file) for file in plugin])
    for problem in found:
        # A name on disk need not be text that can be printed.
        print(problem.encode(errors="backslashreplace").decode())
    print(f"{path}: {len(found) or 'nothing'} wrong")
    if found:
        raise typer.Exit(ExitCode.MISTAKE)


def _print(done: SubmissionResult) -> None:
    print(f"{done.folder}: {done.frames} frames, written and checked")
    _print_facts(done.facts)
    for name, change in done.changes.items():
        for metric, before, after in zip(("AP", "FPR95"), change.before, change.after, strict=True):
            moved = f"{100 * before:.4f} stored, {100 * after:.4f} read back, {100 * (after - before):+.4f}"
            print(f"{name} ({change.frames} frames): {metric} {moved} percent")
    if not done.changes:
        print("metrics: not measured, the run has no labelled frame of this leaderboard")
    for note in done.notes:
        print(f"note: {note}")


def _print_facts(facts: Mapping[str, Any], of: str = "") -> None:
    """A line for each thing that has facts of its own, and for each other fact."""
    for name, value in facts.items():
        if not isinstance(value, Mapping):
            print(f"{of}{name}: {value}")
        elif any(isinstance(part, Mapping) for part in value.values()):
            _print_facts(value, f"{of}{name}, ")
        else:
            print(f"{of}{name}: {'; '.join(f'{key} {part}' for key, part in value.items())}")
