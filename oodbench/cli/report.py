"""`oodbench report`: tables and figures of a run, or of several."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oodbench.cli.console import make_progress
from oodbench.cli.options import renamed_option
from oodbench.errors import UsageError
from oodbench.registry import Registry

if TYPE_CHECKING:
    from oodbench.contracts import PublishedResult, Report, Requirement
    from oodbench.runs.run import Run
    from oodbench.runs.selection import SelectedRun


class RequirementOption(StrEnum):
    """A requirement of a method, as `--without` takes it."""

    RETRAINING = "retraining"
    EXTRA_NETWORK = "extra-network"
    OOD_DATA = "ood-data"


_FLAGS: Mapping[RequirementOption, Requirement] = {
    RequirementOption.RETRAINING: "retraining",
    RequirementOption.EXTRA_NETWORK: "extra_network",
    RequirementOption.OOD_DATA: "ood_data",
}


_RENAMED = {"strata": "breakdown"}
"""Old spelling of a format -> its name; accepted for one release."""


def report(
    runs: Annotated[list[Path], typer.Argument(help="The folder of a run; several: side by side.", metavar="RUN...")],
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", help="A report (oodbench list reports); repeat for several.", metavar="NAME"),
    ] = None,
    figures: Annotated[
        list[str] | None,
        typer.Option("--figure", help="A figure for a paper, as PDF and PNG; repeat for several.", metavar="NAME"),
    ] = None,
    benchmarks: Annotated[
        list[str] | None, typer.Option(help="Show this benchmark alone; repeatable.", metavar="NAME")
    ] = None,
    networks: Annotated[
        list[str] | None, typer.Option(help="Show this network alone; repeatable.", metavar="NAME")
    ] = None,
    methods: Annotated[
        list[str] | None,
        typer.Option(help="Show this method alone; repeatable, in this order.", metavar="METHOD[ / NETWORK]"),
    ] = None,
    frames: Annotated[
        list[str] | None, typer.Option(help="A frame for figures, by its id; repeatable.", metavar="ID")
    ] = None,
    without: Annotated[
        list[RequirementOption] | None,
        typer.Option(help="Leave out methods that have had this, or of which nobody knows; repeatable."),
    ] = None,
    published: Annotated[
        list[str] | None,
        typer.Option(
            help="Set published numbers beside the measured ones: on the benchmarks of the run, on all, or on one.",
            metavar="run|all|BENCHMARK",
        ),
    ] = None,
    leaderboard: Annotated[
        list[str] | None,
        typer.Option(help="A public table from a file, as segment-me-if-you-can=FILE.", metavar="NAME=FILE"),
    ] = None,
    protocol: Annotated[
        list[str] | None,
        typer.Option(
            help="Show the results under this protocol; repeatable. By default those that the run was asked for.",
            metavar="NAME",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for files; by default report/ in the first run.", metavar="DIR")
    ] = None,
    plugin: Annotated[
        list[Path] | None,
        typer.Option(help="A Python file with reports of your own, beside those of the run.", metavar="FILE"),
    ] = None,
) -> None:
    """Print the table of runs (--format terminal, markdown, latex, csv, json, ...) or draw a figure (--figure)."""
    from oodbench.runs.run import load
    from oodbench.runs.selection import ResultSelection, SelectedRun
    from oodbench.storage.local import LocalStore

    done = tuple(load(run, protocol or ()) for run in runs)
    files = [*(file for run in done for file in run.record.plugins), *(path.absolute() for path in plugin or ())]
    registry = Registry(tuple(dict.fromkeys(files)))
    choice = ResultSelection(
        tuple(benchmarks or ()),
        tuple(networks or ()),
        tuple(methods or ()),
        tuple(frames or ()),
        tuple(_FLAGS[had] for had in without or ()),
    )
    view = SelectedRun(done, choice, tuple(_others(done, registry, published or [], leaderboard or [])))
    for name in _RENAMED.keys() & set(formats or ()):
        renamed_option(f"--format {name}", f"--format {_RENAMED[name]}", name, make_progress())
    formats = [_RENAMED.get(name, name) for name in formats or ()]
    made = [registry.report(name) for name in formats or ([] if figures else ["terminal"])]
    made += [_figure(registry, name) for name in figures or ()]
    folder = out or LocalStore(done[0].folder).reports
    for one in made:
        _give(one, view, folder)


def _give(report: Report, view: SelectedRun, folder: Path) -> None:
    if report.card.text:
        print(report.text(view), end="")
        return
    for path in report.write(view, folder):
        print(path)


def _figure(registry: Registry, name: str) -> Report:
    report = registry.report(name)
    if not report.card.figure:
        raise UsageError(f"{name} is a report and no figure", f"Ask for it by: --format {name}.")
    return report


def _others(runs: tuple[Run, ...], registry: Registry, names: list[str], tables: list[str]) -> list[PublishedResult]:
    """What was published, of the package's own list and of leaderboards' files."""
    from oodbench.published_results import find_published

    known = [quality for run in runs for quality in run.quality.values()]
    here = {row.benchmark for run in runs for row in run.results} | {f"{it['dataset']} {it['split']}" for it in known}
    found = find_published(names, here)
    for given in tables:
        name, equals, file = given.partition("=")
        if not equals:
            raise UsageError(
                f"--leaderboard {given}: expected NAME=FILE",
                "For example: --leaderboard segment-me-if-you-can=leaderboard.json.",
            )
        found += registry.load("submissions", name).public_table(Path(file))
    return found
