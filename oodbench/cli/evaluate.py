"""`oodbench evaluate`: rows without a network, from a run's stored scores or from score maps in files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oodbench.cli.console import make_progress, print_run
from oodbench.cli.options import ResultAsJson
from oodbench.errors import UsageError
from oodbench.types import Resize

if TYPE_CHECKING:
    from oodbench.workflows.evaluate_scores import ExternalScores


def evaluate(
    run: Annotated[Path | None, typer.Argument(help="The folder of a run.", metavar="RUN")] = None,
    protocol: Annotated[
        list[str] | None,
        typer.Option(help="The rules to read the scores by (oodbench list protocols). Repeatable.", metavar="NAME"),
    ] = None,
    as_json: ResultAsJson = False,
    scores: Annotated[
        list[Path] | None,
        typer.Option(help="A folder of score maps, a file a frame, in the place of RUN. Repeatable.", metavar="DIR"),
    ] = None,
    benchmark: Annotated[
        str | None, typer.Option(help="With --scores: the benchmark whose frames they are of.", metavar="NAME")
    ] = None,
    anomalous: Annotated[
        list[str] | None,
        typer.Option(
            help="With --scores: which scores are the anomalous ones; once, or once for each --scores.",
            metavar="higher|lower",
        ),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(help="With --scores: what to call each in tables. By default its folder's name.", metavar="LABEL"),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(help="With --scores: where the benchmark lies. Repeatable.", metavar="DIR|NAME=DIR"),
    ] = None,
    resize: Annotated[
        Resize | None,
        typer.Option(help="With --scores: how maps that are smaller than the labels come to their size."),
    ] = None,
    limit: Annotated[
        str | None,
        typer.Option(
            help="With --scores: only the first N frames, or all. By default all, 10 of a benchmark that is drawn.",
            metavar="N|all",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="With --scores: folder of the new run. By default one under runs/ that follows from them."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="With --scores: go on in --out and keep what fits this run.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="With --scores: start anew in --out.")] = False,
    plugin: Annotated[
        list[Path] | None,
        typer.Option(help="With --scores: a Python file with plugins of your own. Repeatable.", metavar="FILE"),
    ] = None,
) -> None:
    """Compute rows without a network: from the stored scores of a run, or from score maps that your own code wrote."""
    from oodbench.metrics import DEFAULT_PROTOCOL

    protocols = protocol or [DEFAULT_PROTOCOL]
    if not scores:
        _evaluate_run(
            run,
            protocols,
            as_json,
            benchmark=benchmark,
            anomalous=anomalous,
            name=name,
            data=data,
            resize=resize,
            limit=limit,
            out=out,
            resume=resume,
            overwrite=overwrite,
            plugin=plugin,
        )
        return
    if run is not None:
        raise UsageError(f"evaluate takes a run ({run}) or --scores, not both", "Leave one of them out.")
    if benchmark is None:
        raise UsageError(
            "--scores without --benchmark: the labels to hold them against are not known", "oodbench list benchmarks"
        )
    if resume and overwrite:
        raise UsageError("--resume and --overwrite exclude each other", "Give one of them.")
    given = _given(scores, name or [], anomalous or [])
    from oodbench.planning.request import Request
    from oodbench.workflows.evaluate_scores import evaluate_external_scores

    request = Request.of(
        benchmarks=(benchmark,),
        data=tuple(data or ()),
        resize=resize or "bilinear",
        limit=limit,
        out=out,
        policy="overwrite" if overwrite else "resume" if resume else "same",
        plugins=tuple(plugin or ()),
    )
    progress = make_progress()
    done = evaluate_external_scores(request, given, protocols, progress)
    print_run(done, as_json=as_json)
    progress.say(f"table and figures: {done.folder / 'report'}")


def _evaluate_run(run: Path | None, protocols: list[str], as_json: bool, **others: Any) -> None:
    if run is None:
        raise UsageError("evaluate takes the folder of a run, or --scores DIR", "See: oodbench evaluate --help")
    stray = next((option for option, value in others.items() if value), None)
    if stray is not None:
        raise UsageError(f"--{stray} goes with --scores; a run has its own", "Leave it out.")
    from oodbench.runs.run import load

    done = load(run).evaluate(make_progress(), protocols)
    print_run(done, as_json=as_json)


def _given(folders: list[Path], names: list[str], ways: list[str]) -> list[ExternalScores]:
    from oodbench.workflows.evaluate_scores import ExternalScores

    if names and len(names) != len(folders):
        raise UsageError(
            f"{len(names)} --name for {len(folders)} --scores", "Give one for each, in the same order, or none."
        )
    if len(ways) not in (1, len(folders)):
        raise UsageError(
            f"{len(ways)} --anomalous for {len(folders)} --scores",
            "Say which scores are the anomalous ones: --anomalous higher, or lower; once, or once for each.",
        )
    labels = names or [folder.absolute().name for folder in folders]
    return [
        ExternalScores.of(label, folder, way)
        for label, folder, way in zip(labels, folders, ways * (len(folders) // len(ways)), strict=True)
    ]
