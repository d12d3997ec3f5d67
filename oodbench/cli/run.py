"""`oodbench run`: score benchmarks with methods on networks, and make the table and the figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from oodbench.cli.console import make_progress, print_run
from oodbench.cli.options import SOURCES, IdLimit, ResultAsJson, RunPlugins, Seed, renamed_option
from oodbench.errors import BenchmarksFailedError, UsageError
from oodbench.types import Resize

if TYPE_CHECKING:
    from oodbench.planning.plan import Plan
    from oodbench.progress import Progress

_Stage = Literal["plan", "fit", "calibrate", "score", "evaluate", "report"]
_Keep = Literal["all", "figures", "none"]


def run(
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="A method, as NAME or NAME:key=value,...; repeat for several. 'all' for every method. By default the "
            "standard set.",
            metavar="METHOD",
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help=f"A model: {SOURCES}. Repeat for several. By default the two bundled models.",
            metavar="NAME|FILE",
        ),
    ] = None,
    checkpoint: Annotated[
        list[str] | None,
        typer.Option(help="The weights of a network that has them apart, one for each --model.", metavar="FILE"),
    ] = None,
    model_card: Annotated[
        list[str] | None,
        typer.Option(help="What describes the network, one for each --model. By default FILE.toml.", metavar="FILE"),
    ] = None,
    benchmark: Annotated[
        list[str] | None,
        typer.Option(help="A benchmark; repeat for several. All that are found by default.", metavar="NAME"),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="A folder with benchmarks, or the one of a certain benchmark. Repeatable.", metavar="DIR|NAME=DIR"
        ),
    ] = None,
    id_data: Annotated[
        list[str] | None,
        typer.Option(
            help="A folder with in-distribution frames (Cityscapes) to fit and calibrate on. By default as --data.",
            metavar="DIR|NAME=DIR",
        ),
    ] = None,
    id_limit: IdLimit = None,
    upsample: Annotated[
        Literal["logits", "score"],
        typer.Option(help="Bring class maps to the label's resolution and score there, or score first."),
    ] = "logits",
    resize: Annotated[
        Resize, typer.Option(help="How either comes there: half-pixel centres, or corner pixels on each other.")
    ] = "bilinear",
    keep_scores: Annotated[_Keep, typer.Option(help="Which score maps stay after evaluation.")] = "all",
    limit: Annotated[
        str | None,
        typer.Option(
            help="Only the first N frames of each benchmark, or all. By default all, 10 of those that are drawn.",
            metavar="N|all",
        ),
    ] = None,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where networks run.")] = "auto",
    seed: Seed = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run. By default one under runs/ that follows from the plan.")
    ] = None,
    protocol: Annotated[
        list[str] | None,
        typer.Option(
            help="The rules by which scores are evaluated (oodbench list protocols), or 'leaderboard' for each "
            "benchmark's own. Repeatable.",
            metavar="NAME",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Make this run in --out, and keep what fits it of another run there.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start from scratch in --out.")] = False,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="End the run if one benchmark fails. By default the others finish.")
    ] = False,
    stop_after: Annotated[_Stage, typer.Option(help="Stop after this stage.")] = "report",
    until: Annotated[_Stage | None, typer.Option(hidden=True)] = None,
    shard: Annotated[
        str | None,
        typer.Option(help="Score only shard i of n, in --out; 'oodbench merge' combines them.", metavar="i/n"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would run, and stop.")] = False,
    as_json: ResultAsJson = False,
    plugin: RunPlugins = None,
) -> None:
    """Score benchmarks with methods on networks; make the table and the heatmaps.

    The folder of the run keeps every result; the same command goes on with it after an interruption.
    """
    from oodbench.metrics.protocols import DEFAULT_PROTOCOL
    from oodbench.planning.plan import default_folder, make_plan
    from oodbench.planning.request import Request
    from oodbench.registry import Registry
    from oodbench.storage.local import LocalStore
    from oodbench.workflows.run import check_folder, execute, process_store

    if resume and overwrite:
        raise UsageError("--resume and --overwrite exclude each other", "Give one of them.")
    progress = make_progress()
    if until is not None:
        stop_after = renamed_option("--until", "--stop-after", until, progress)
    request = Request.of(
        methods=tuple(method or ()),
        models=tuple(model or ()),
        model_cards=tuple(model_card or ()),
        checkpoints=tuple(checkpoint or ()),
        benchmarks=tuple(benchmark or ()),
        data=tuple(data or ()),
        id_data=tuple(id_data or ()),
        id_limit=id_limit,
        upsample=upsample,
        resize=resize,
        keep_scores=keep_scores,
        limit=limit,
        device=device,
        seed=seed,
        out=out,
        protocols=tuple(protocol or (DEFAULT_PROTOCOL,)),
        if_exists="overwrite" if overwrite else "reuse" if resume else "continue",
        stop_after=stop_after,
        fail_fast=fail_fast,
        shard=shard,
        plugins=tuple(plugin or ()),
    )
    registry = Registry(request.plugins)
    plan = make_plan(request, registry, progress)
    for warning in registry.warnings:
        progress.warn(warning)
    _say_plan(plan, process_store(request, plan).location, progress)
    if dry_run:
        check_folder(request, plan)
        if as_json:
            print(json.dumps(plan.record.model_dump(mode="json"), indent=1))
        return
    done = execute(request, plan, progress)
    if request.last_stage not in ("evaluate", "report"):
        progress.say(f"stopped after {request.last_stage}; {done.folder}")
        if request.shard:
            progress.say(f"once all shards are there: oodbench merge {out or default_folder(plan.record)}")
        return
    print_run(done, as_json=as_json)
    if not as_json:
        progress.say(f"table and figures: {LocalStore(done.folder).reports}")
    if done.failed:
        raise BenchmarksFailedError(
            "; ".join(map(str, done.failed)), "Fix them and run the same command again: it computes only these."
        )


def _say_plan(plan: Plan, folder: str, progress: Progress) -> None:
    """What will run, how long its forward passes take, what it stores, where."""
    record = plan.record
    for pair in record.skipped:
        progress.say(f"{pair.method} on {pair.network} is skipped: {pair.reason}")
    labels = ", ".join(dict.fromkeys(scorer.label for scorer in record.scorers))
    networks = ", ".join(f"{network.name} ({network.device})" for network in record.networks)
    progress.say(f"{labels}; on {networks}")
    for part in record.benchmarks:
        where = f"{part.layout} layout in {part.folder}" if part.folder else part.layout
        progress.say(f"{part.name}: {len(part.frames)} frames, {where}")
    known = {"fitted": record.fit, "calibrated": record.calibrate}
    for use, labelled in known.items():
        if labelled is not None:
            where = f"in {labelled.folder}" if labelled.folder else labelled.layout
            progress.say(f"{use} on {labelled.name} {labelled.split}: {len(labelled.frames)} frames, {where}")
    parts = [*record.benchmarks, *(labelled for labelled in known.values() if labelled)]
    for warning in dict.fromkeys(warning for part in parts for warning in part.warnings):
        progress.warn(warning)
    frames = sum(len(part.frames) for part in parts)
    seconds = sum(frames * each for each in plan.seconds_a_pass().values())
    progress.say(
        f"forward passes: about {seconds:.0f} s, methods add theirs; score maps: {plan.map_bytes() / 1e6:.0f} MB; "
        f"in {folder}"
    )
