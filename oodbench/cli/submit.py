"""`oodbench submit`: leaderboard submissions, written from a run's stored scores, and their checks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oodbench.cli.console import make_progress
from oodbench.cli.exit_codes import ExitCode
from oodbench.cli.options import RunPlugins, Trust
from oodbench.errors import UsageError
from oodbench.text import count_noun

if TYPE_CHECKING:
    from oodbench.workflows.submit import SubmissionResult


def submit(
    target: Annotated[
        str,
        typer.Argument(
            help="Leaderboard, as NAME or NAME:key=value,... (see 'oodbench list submissions').", metavar="TARGET"
        ),
    ],
    path: Annotated[
        Path,
        typer.Argument(help="Folder of a run. With --check, folder or archive of a submission.", metavar="RUN|PATH"),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder in which the submission is written. It must be new or empty, or contain the same submission.",
            metavar="DIR",
        ),
    ] = None,
    method: Annotated[
        str | None, typer.Option(help="Method to submit, if the run has several.", metavar="NAME")
    ] = None,
    network: Annotated[
        str | None, typer.Option(help="Network to submit, if the run has several.", metavar="NAME")
    ] = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Check PATH, print one line per problem, and write nothing."),
    ] = False,
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="Folder that contains the benchmarks of the run now, or NAME=DIR, the folder of the benchmark NAME. "
            "By default the folders in which the run found them, then OODBENCH_DATA or the config file. With --check, "
            "the submission is compared with the names and sizes of the frames there, by default with the published "
            "number of frames and sizes. Repeatable.",
            metavar="DIR|NAME=DIR",
        ),
    ] = None,
    plugin: RunPlugins = None,
    trust: Trust = False,
) -> None:
    """Write a leaderboard submission from a run, or check an existing one (--check).

    A new submission is checked, read from the disk and evaluated again. Exit code 2: the check found problems.
    """
    if check:
        if out or method or network or trust:
            raise UsageError(
                "--check reads no run and writes nothing, so --out, --method, --network and --trust can't be used with "
                "it",
                "Omit them.",
            )
        _check(target, path, data or [], plugin or [])
        return
    if out is None:
        raise UsageError("submit needs a folder for the submission", "Give --out DIR.")
    from oodbench.runs.load import load
    from oodbench.workflows.submit import submit as write_submission

    run = load(path, plugins=plugin or (), trust=trust, data=data or ())
    _print(write_submission(target, run, out, method=method, network=network, progress=make_progress()))


def _check(target: str, path: Path, data: list[str], plugin: list[Path]) -> None:
    from oodbench.workflows.submit import check_submission

    problems = check_submission(target, path, data=data, plugins=[str(file) for file in plugin])
    for problem in problems:
        # A file name may contain bytes that can't be printed.
        print(problem.encode(errors="backslashreplace").decode())
    count = len(problems)
    verdict = "no problems" if not count else "1 problem" if count == 1 else f"{count} problems"
    print(f"{path}: {verdict}")
    if problems:
        raise typer.Exit(ExitCode.MISTAKE)


def _print(done: SubmissionResult) -> None:
    print(f"{done.folder}: {count_noun(done.frames, 'frame')}, written and checked")
    _print_facts(done.facts)
    for name, change in done.changes.items():
        for metric, before, after in zip(("AP", "FPR95"), change.before, change.after, strict=True):
            values = f"{100 * before:.4f} stored, {100 * after:.4f} read back, {100 * (after - before):+.4f}"
            print(f"{name} ({count_noun(change.frames, 'frame')}): {metric} {values} percent")
    if not done.changes:
        print("metrics: not computed, the run has no labelled frames of this leaderboard")
    for note in done.notes:
        print(f"note: {note}")


def _print_facts(facts: Mapping[str, Any], prefix: str = "") -> None:
    """Print one line per fact; a mapping without nested mappings is one line, too."""
    for name, value in facts.items():
        if not isinstance(value, Mapping):
            print(f"{prefix}{name}: {value}")
        elif any(isinstance(part, Mapping) for part in value.values()):
            _print_facts(value, f"{prefix}{name}, ")
        else:
            print(f"{prefix}{name}: {'; '.join(f'{key} {part}' for key, part in value.items())}")
