"""`oodbench report`: tables and figures of one or several runs."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oodbench.cli.console import make_progress
from oodbench.cli.options import RunData, RunPlugins, Trust, renamed_option
from oodbench.errors import UsageError
from oodbench.files import expand_home

if TYPE_CHECKING:
    from oodbench.contracts import PublishedResult, Report, Requirement
    from oodbench.registry import Registry
    from oodbench.runs.run import Run
    from oodbench.runs.selection import SelectedRun


class RequirementOption(StrEnum):
    """A requirement of a method, as a value of `--without`."""

    RETRAINING = "retraining"
    EXTRA_NETWORK = "extra-network"
    OOD_DATA = "ood-data"


_FLAGS: Mapping[RequirementOption, Requirement] = {
    RequirementOption.RETRAINING: "retraining",
    RequirementOption.EXTRA_NETWORK: "extra_network",
    RequirementOption.OOD_DATA: "ood_data",
}


_FIGURES = (
    "qualitative",
    "segmentation",
    "precision-recall",
    "roc",
    "score-histograms",
    "accuracy-cost",
    "heatmaps",
)
"""Names of the figures. They are listed here because reading their cards imports matplotlib."""


_RENAMED = {"strata": "breakdown"}
"""Maps the old name of a format, which is accepted for one release, to the new one."""


def report(
    runs: Annotated[list[Path], typer.Argument(help="Folder of a run. Several runs share one table.", metavar="RUN")],
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            help="Report to print or write (see 'oodbench list reports'). Repeatable. By default 'terminal', a table.",
            metavar="NAME",
        ),
    ] = None,
    figures: Annotated[
        list[str] | None,
        typer.Option(
            "--figure",
            help=f"Figure to write as PDF and PNG: {', '.join(_FIGURES)}. Repeatable.",
            metavar="NAME",
        ),
    ] = None,
    benchmarks: Annotated[
        list[str] | None, typer.Option(help="Benchmark to show. Repeatable. By default all.", metavar="NAME")
    ] = None,
    networks: Annotated[
        list[str] | None,
        typer.Option(
            help="Network to show. Repeatable; the output keeps the given order. By default all.", metavar="NAME"
        ),
    ] = None,
    methods: Annotated[
        list[str] | None,
        typer.Option(
            help="Method to show, given by its name or its label in tables. Repeatable; the output keeps the given "
            "order. By default all.",
            metavar="METHOD[ / NETWORK]",
        ),
    ] = None,
    frames: Annotated[
        list[str] | None,
        typer.Option(
            help="Id of a frame to show in figures. Repeatable; figures keep the given order. By default four frames.",
            metavar="ID",
        ),
    ] = None,
    without: Annotated[
        list[RequirementOption] | None,
        typer.Option(
            help="Omit methods with this requirement. Methods whose requirements are unknown are omitted, too. "
            "Repeatable."
        ),
    ] = None,
    no_intervals: Annotated[bool, typer.Option("--no-intervals", help="Show no confidence intervals.")] = False,
    published: Annotated[
        list[str] | None,
        typer.Option(
            help="Add published results: for the benchmarks of the run ('run'), for all benchmarks ('all'), or for one "
            "benchmark. Repeatable.",
            metavar="run|all|BENCHMARK",
        ),
    ] = None,
    leaderboard: Annotated[
        list[str] | None,
        typer.Option(
            help="Add the public table of a leaderboard, which FILE contains: segment-me-if-you-can=FILE. Repeatable.",
            metavar="NAME=FILE",
        ),
    ] = None,
    protocol: Annotated[
        list[str] | None,
        typer.Option(
            help="Protocol (evaluation rules) whose results are shown. Repeatable. By default the runs' protocols.",
            metavar="NAME",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder in which files are written. By default report/ in the folder of the first run.", metavar="DIR"
        ),
    ] = None,
    data: RunData = None,
    plugin: RunPlugins = None,
    trust: Trust = False,
) -> None:
    """Print tables of one or several runs (--format), or draw figures (--figure)."""
    from oodbench.runs.load import load
    from oodbench.runs.multi_run import share_protocols
    from oodbench.runs.selection import ResultSelection, SelectedRun

    loaded_runs = share_protocols(
        [load(run, protocol or (), plugins=plugin or (), trust=trust, data=data or ()) for run in runs]
    )
    registry = loaded_runs[0].access.registry(*(run.record for run in loaded_runs))
    selection = ResultSelection(
        tuple(benchmarks or ()),
        tuple(networks or ()),
        tuple(methods or ()),
        tuple(frames or ()),
        tuple(_FLAGS[requirement] for requirement in without or ()),
        not no_intervals,
    )
    published_results = _find_published(loaded_runs, registry, published or [], leaderboard or [])
    view = SelectedRun(loaded_runs, selection, tuple(published_results))
    for name in _RENAMED.keys() & set(formats or ()):
        renamed_option(f"--format {name}", f"--format {_RENAMED[name]}", name, make_progress())
    formats = [_RENAMED.get(name, name) for name in formats or ()]
    reports = [registry.report(name) for name in formats or ([] if figures else ["terminal"])]
    reports += [_find_figure(registry, name) for name in figures or ()]
    folder = out or loaded_runs[0].store.reports
    for selected in reports:
        _output(selected, view, folder)


def _output(report: Report, view: SelectedRun, folder: Path | None) -> None:
    """Print a report that is text; write any other and print the paths of its files."""
    if report.card.text:
        print(report.text(view), end="")
        return
    if folder is None:
        raise UsageError(f"{view.location}: not a folder; the report is written into a folder", "Give --out DIR.")
    for path in report.write(view, folder):
        print(path)


def _find_figure(registry: Registry, name: str) -> Report:
    report = registry.report(name)
    if not report.card.figure:
        raise UsageError(f"--figure {name}: {name} is a report, not a figure", f"Use --format {name}.")
    return report


def _find_published(
    runs: tuple[Run, ...], registry: Registry, names: list[str], tables: list[str]
) -> list[PublishedResult]:
    """Return the published results of the package's own list and of the leaderboard files."""
    from oodbench.published_results import find_published

    measured = {result.benchmark for run in runs for result in run.results}
    measured |= {f"{quality['dataset']} {quality['split']}" for run in runs for quality in run.quality.values()}
    published_results = find_published(names, measured)
    for table in tables:
        name, equals, file = table.partition("=")
        if not equals:
            raise UsageError(
                f"--leaderboard {table}: expected NAME=FILE",
                "Give a name and a file, for example: --leaderboard segment-me-if-you-can=leaderboard.json.",
            )
        published_results += registry.load("submissions", name).public_table(Path(expand_home(file)))
    return published_results
