"""`oodbench evaluate`: results computed without a network, from a run's stored scores or from score map files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oodbench.cli.console import make_progress, print_run, say_reports
from oodbench.cli.options import IdLimit, ResultAsJson, RunPlugins, Trust
from oodbench.errors import UsageError
from oodbench.types import Resize

if TYPE_CHECKING:
    from oodbench.workflows.external_scores import ExternalScores


def evaluate(
    run: Annotated[
        Path | None, typer.Argument(help="Folder of a run, whose stored score maps are evaluated.", metavar="RUN")
    ] = None,
    protocol: Annotated[
        list[str] | None,
        typer.Option(
            help="Protocol, a set of evaluation rules (see 'oodbench list protocols'). Repeatable. By default the "
            "protocols of the run; with --scores, pooled.",
            metavar="NAME",
        ),
    ] = None,
    as_json: ResultAsJson = False,
    scores: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder of score maps that other code wrote, evaluated instead of a run: one .npy, .npz, 16-bit .png "
            "or .hdf5 file per frame, named by the frame's id. Repeatable.",
            metavar="DIR",
        ),
    ] = None,
    benchmark: Annotated[
        str | None, typer.Option(help="With --scores: benchmark whose frames were scored (required).", metavar="NAME")
    ] = None,
    anomalous: Annotated[
        list[str] | None,
        typer.Option(
            help="With --scores: whether higher or lower scores mean more anomalous (required). Give it once, or once "
            "per --scores.",
            metavar="higher|lower",
        ),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(
            help="With --scores: name in tables. Give one per --scores. By default the name of the folder.",
            metavar="LABEL",
        ),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="Folder that contains the benchmarks now, or NAME=DIR. Repeatable. By default the folders in which "
            "the run found them, then OODBENCH_DATA or the config file. With --scores: as for 'oodbench run'.",
            metavar="DIR|NAME=DIR",
        ),
    ] = None,
    calibration_scores: Annotated[
        list[Path] | None,
        typer.Option(
            help="With --scores: folder of your score maps of the in-distribution frames, for the metrics at ID95 and "
            "the colour scale. Give one per --scores, in the same order, or none.",
            metavar="DIR",
        ),
    ] = None,
    id_data: Annotated[
        list[str] | None,
        typer.Option(
            help="With --calibration-scores: folder that is searched for the dataset of these frames, or NAME=DIR. "
            "Repeatable. By default as for 'oodbench run'.",
            metavar="DIR|NAME=DIR",
        ),
    ] = None,
    id_limit: IdLimit = None,
    resize: Annotated[
        Resize | None,
        typer.Option(
            help="With --scores: interpolation that enlarges maps to the label resolution, as for 'oodbench run'. By "
            "default bilinear."
        ),
    ] = None,
    limit: Annotated[
        str | None,
        typer.Option(
            help="With --scores: evaluate only the first N frames. By default all (10 for synthetic benchmarks).",
            metavar="N|all",
        ),
    ] = None,
    frames: Annotated[
        list[str] | None,
        typer.Option(
            help="With --scores: ids of the frames to evaluate, as ID,ID; or a file with one id per line. Repeatable.",
            metavar="ID,...|FILE",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="With --scores: folder of the new run. By default a folder in runs/, named by a digest of the scores.",
            metavar="DIR",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="With --scores: allow that --out contains another run; reuse the files that both runs need.",
        ),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="With --scores: delete the run in --out first, and start from scratch.")
    ] = False,
    plugin: RunPlugins = None,
    trust: Trust = False,
) -> None:
    """Evaluate the stored scores of a run, or score maps that other code wrote (--scores).

    The networks are not needed.
    """
    if not scores:
        _refuse_options_of_scores(
            benchmark=benchmark,
            anomalous=anomalous,
            name=name,
            calibration_scores=calibration_scores,
            id_data=id_data,
            id_limit=id_limit,
            resize=resize,
            limit=limit,
            frames=frames,
            out=out,
            resume=resume,
            overwrite=overwrite,
        )
        if run is None:
            raise UsageError(
                "evaluate takes the folder of a run, or --scores DIR",
                "Give one of them; 'oodbench evaluate --help' describes both.",
            )
        from oodbench.runs.load import load

        loaded_run = load(run, plugins=plugin or (), trust=trust, data=data or ())
        print_run(loaded_run.evaluate(make_progress(), protocol or ()), as_json=as_json)
        return
    if run is not None:
        raise UsageError(f"evaluate takes a run ({run}) or --scores, not both", "Omit one of them.")
    if trust:
        raise UsageError("--trust requires a run; with --scores, no run names any code", "Omit --trust.")
    if benchmark is None:
        raise UsageError(
            "--scores without --benchmark: it is not known which labels belong to the scores",
            "Give --benchmark NAME; 'oodbench list benchmarks' lists the names.",
        )
    if resume and overwrite:
        raise UsageError("--resume and --overwrite exclude each other", "Give one of them.")
    external_scores = _label_scores(scores, name or [], anomalous or [], calibration_scores or [])
    from oodbench.planning.request import Request
    from oodbench.workflows.evaluate_scores import evaluate_external_scores

    request = Request.of(
        benchmarks=(benchmark,),
        data=tuple(data or ()),
        id_data=tuple(id_data or ()),
        id_limit=id_limit,
        resize=resize or "bilinear",
        limit=limit,
        frames=tuple(frames or ()),
        protocols=tuple(protocol or ()),
        out=out,
        if_exists="overwrite" if overwrite else "reuse" if resume else "continue",
        plugins=tuple(plugin or ()),
    )
    progress = make_progress()
    done = evaluate_external_scores(request, external_scores, progress)
    print_run(done, as_json=as_json)
    say_reports(done, progress)


def _refuse_options_of_scores(**options: Any) -> None:
    unused = next((option for option, value in options.items() if value), None)
    if unused is not None:
        option = f"--{unused.replace('_', '-')}"
        raise UsageError(f"{option} requires --scores; a run has its own setting", f"Omit {option}.")


def _label_scores(
    folders: list[Path], names: list[str], directions: list[str], calibrations: list[Path]
) -> list[ExternalScores]:
    """Return the folders with their labels, the direction of their scores and the folders of their calibration."""
    from oodbench.workflows.external_scores import ExternalScores

    for option, values in (("--name", names), ("--calibration-scores", calibrations)):
        if values and len(values) != len(folders):
            raise UsageError(
                f"{len(values)} {option} for {len(folders)} --scores",
                f"Give one {option} per --scores, in the same order, or none.",
            )
    if len(directions) not in (1, len(folders)):
        raise UsageError(
            f"{len(directions)} --anomalous for {len(folders)} --scores",
            "Give --anomalous higher or --anomalous lower: once, or once per --scores.",
        )
    labels = names or [folder.absolute().name for folder in folders]
    return [
        ExternalScores.of(label, folder, direction, calibration)
        for label, folder, direction, calibration in zip(
            labels,
            folders,
            directions * (len(folders) // len(directions)),
            list[Path | None](calibrations) or [None] * len(folders),
            strict=True,
        )
    ]
