"""`oodbench run`: evaluation of methods on networks and benchmarks, with tables and figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from oodbench.cli.console import make_progress, print_run, say_reports
from oodbench.cli.launch import stop_after_batch_on_termination
from oodbench.cli.options import (
    CHECKPOINT_HELP,
    FRAMES_HELP,
    MODEL_CARD_HELP,
    SOURCES,
    Data,
    Device,
    IdData,
    IdLimit,
    Plugins,
    ResultAsJson,
    Seed,
    renamed_option,
)
from oodbench.errors import BenchmarksFailedError, UsageError
from oodbench.text import count_noun
from oodbench.types import Resize

if TYPE_CHECKING:
    from oodbench.planning.plan import Plan
    from oodbench.progress import Progress

_Stage = Literal["plan", "fit", "calibrate", "score", "evaluate", "report"]
_Keep = Literal["all", "figures", "measurements", "none"]


def run(
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="Method, as NAME or NAME:key=value,... 'all' stands for all methods, 'standard' for a set that is the "
            "same in every version. Repeatable. By default the standard set and the methods of --plugin. For the "
            "bundled models: gmmseg, gmmseg-norm, msp, entropy and knn.",
            metavar="METHOD",
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Model: a network with its preprocessing. One of: {SOURCES}. "
            "Options of a model follow a colon: FILE:key=value,... "
            "Repeatable. By default the two bundled models.",
            metavar="NAME|FILE",
        ),
    ] = None,
    checkpoint: Annotated[
        list[str] | None,
        typer.Option(help=f"{CHECKPOINT_HELP} Give one per --model, in the same order.", metavar="FILE"),
    ] = None,
    model_card: Annotated[
        list[str] | None,
        typer.Option(help=f"{MODEL_CARD_HELP} Give one per --model, in the same order.", metavar="FILE"),
    ] = None,
    benchmark: Annotated[
        list[str] | None,
        typer.Option(
            help="Benchmark (see 'oodbench list benchmarks'). Repeatable. By default all benchmarks that are found, "
            "without variants. For the bundled models, the synthetic benchmarks, and those in --data if it is given.",
            metavar="NAME",
        ),
    ] = None,
    data: Data = None,
    id_data: IdData = None,
    id_limit: IdLimit = None,
    upsample: Annotated[
        Literal["logits", "score"],
        typer.Option(
            help="Order of upsampling and scoring. 'logits' resizes the network's class maps to the label resolution "
            "and then scores them. 'score' scores the class maps at the network's resolution and resizes the score map."
        ),
    ] = "logits",
    resize: Annotated[
        Resize,
        typer.Option(
            help="Interpolation used by --upsample: 'bilinear' has half-pixel centres, 'bilinear-aligned' has aligned "
            "corners (align_corners=True in torch)."
        ),
    ] = "bilinear",
    keep_scores: Annotated[
        _Keep,
        typer.Option(
            help="Score maps to store. 'figures' stores those of the four frames per benchmark that the heatmaps "
            "show. 'measurements' stores no map, but all scores without their places, so that 'oodbench evaluate' can "
            "apply another protocol. 'none' stores results only."
        ),
    ] = "all",
    memory: Annotated[
        str,
        typer.Option(
            help="Memory for all scores of one method on one benchmark, two bytes per pixel. If --keep-scores is "
            "'figures' or 'none' and more is needed, scores are counted in buckets, and each metric is an interval "
            "that contains its exact value.",
            metavar="SIZE",
        ),
    ] = "2GiB",
    limit: Annotated[
        str | None,
        typer.Option(
            help="Use only the first N frames of each benchmark. By default all (10 for synthetic benchmarks).",
            metavar="N|all",
        ),
    ] = None,
    frames: Annotated[
        list[str] | None, typer.Option(help=FRAMES_HELP, metavar="ID,...|FILE|NAME=ID,...|NAME=FILE")
    ] = None,
    device: Device = "auto",
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder in which the run is stored. By default a folder in runs/ whose name depends on the inputs.",
            metavar="DIR",
        ),
    ] = None,
    protocol: Annotated[
        list[str] | None,
        typer.Option(
            help="Protocol, a set of evaluation rules (see 'oodbench list protocols'), or 'leaderboard' for the "
            "protocol of each benchmark's leaderboard. Repeatable. By default pooled.",
            metavar="NAME",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Allow that --out contains another run, and reuse the files that both runs need. An interrupted run "
            "resumes without this option.",
        ),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Delete the run in --out first, and start from scratch.")
    ] = False,
    fail_fast: Annotated[
        bool,
        typer.Option(
            "--fail-fast", help="Stop at the first benchmark that fails. By default the other benchmarks finish."
        ),
    ] = False,
    stop_after: Annotated[
        _Stage | None,
        typer.Option(help="Stop after this stage of the run. By default 'report', the last stage.", show_default=False),
    ] = None,
    until: Annotated[_Stage | None, typer.Option(hidden=True)] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            help="Divide the frames into n parts, and score only part i, in the folder shards/ of --out. 'auto' reads "
            "i and n from the environment of an array job (Slurm, Kubernetes, AWS Batch). 'oodbench merge' combines "
            "the parts.",
            metavar="i/n|auto",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print what the run would compute, with the estimated time and disk space, and exit. With --json, "
            "print the plan as JSON.",
        ),
    ] = False,
    as_json: ResultAsJson = False,
    plugin: Plugins = None,
    executor: Annotated[
        Literal["serial", "ray"],
        typer.Option(
            help="What scores the frames: 'serial', this process, or 'ray', the workers of a Ray cluster "
            "(pip install 'oodbench[ray]')."
        ),
    ] = "serial",
    workers: Annotated[
        int | None,
        typer.Option(help="Workers of --executor ray. By default as many as the cluster has room for.", metavar="N"),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            help="Threads, for --executor ray of each worker. Scores are bit-identical for the same number. By default "
            "OMP_NUM_THREADS, or one per core.",
            metavar="N",
        ),
    ] = None,
    gpus_per_worker: Annotated[
        float | None,
        typer.Option(
            help="GPUs of each worker of --executor ray; can be a fraction. By default 1 for networks on a GPU.",
            metavar="X",
        ),
    ] = None,
    ray_address: Annotated[
        str | None,
        typer.Option(
            help="Address of a running Ray cluster. By default a cluster on this machine, which ends with the run.",
            metavar="HOST:PORT|auto",
        ),
    ] = None,
) -> None:
    """Score benchmarks with methods on networks, evaluate the scores, and write tables and heatmaps.

    All results are stored in the folder of the run. After an interruption, the same command resumes the run.
    """
    from oodbench.metrics.protocols import DEFAULT_PROTOCOL
    from oodbench.planning.plan import default_folder, make_plan
    from oodbench.planning.request import Request
    from oodbench.registry import Registry
    from oodbench.workflows.run import check_folder, execute, process_store

    stop_after_batch_on_termination()
    if resume and overwrite:
        raise UsageError("--resume and --overwrite exclude each other", "Give one of them.")
    progress = make_progress()
    if until is not None:
        if stop_after is not None:
            raise UsageError("--until and --stop-after are the same option", "Omit --until.")
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
        memory=memory,
        limit=limit,
        frames=tuple(frames or ()),
        device=device,
        seed=seed,
        out=out,
        protocols=tuple(protocol or (DEFAULT_PROTOCOL,)),
        if_exists="overwrite" if overwrite else "reuse" if resume else "continue",
        stop_after=stop_after or "report",
        fail_fast=fail_fast,
        shard=shard,
        plugins=tuple(plugin or ()),
        executor=executor,
        workers=workers,
        threads=threads,
        gpus_per_worker=gpus_per_worker,
        ray_address=ray_address,
    )
    registry = Registry(request.plugins)
    plan = make_plan(request, registry, progress)
    for warning in registry.warnings:
        progress.warn(warning)
    if request.shard:
        progress.say(f"shard {request.shard.index} of {request.shard.count}")
    _print_plan(plan, process_store(request, plan).location, progress)
    if dry_run:
        check_folder(request, plan)
        if as_json:
            print(json.dumps(plan.record.model_dump(mode="json"), indent=1))
        return
    done = execute(request, plan, progress, registry)
    if request.last_stage not in ("evaluate", "report"):
        progress.say(f"stopped after {request.last_stage}: {done.location}")
        if request.shard:
            progress.say(f"when all shards are scored: oodbench merge {out or default_folder(plan.record)}")
        return
    print_run(done, as_json=as_json)
    if not as_json:
        say_reports(done, progress)
    if done.failed:
        raise BenchmarksFailedError(
            "; ".join(map(str, done.failed)),
            "Fix the problems and run the same command again. It computes only the benchmarks that failed.",
        )


def _print_plan(plan: Plan, folder: str, progress: Progress) -> None:
    """Print what will run, the estimated inference time, and the size and folder of the scores."""
    record = plan.record
    for pair in record.skipped:
        progress.say(f"{pair.method} on {pair.network} is skipped: {pair.reason}")
    labels = ", ".join(dict.fromkeys(scorer.label for scorer in record.scorers))
    networks = ", ".join(f"{network.name} ({network.device})" for network in record.networks)
    progress.say(f"methods: {labels}; networks: {networks}")
    for benchmark in record.benchmarks:
        source = f"{benchmark.layout} layout in {benchmark.folder}" if benchmark.folder else benchmark.layout
        progress.say(f"{benchmark.name}: {count_noun(len(benchmark.frames), 'frame')}, {source}")
    in_distribution = {"fitting": record.fit, "calibration": record.calibrate}
    for use, split in in_distribution.items():
        if split is not None:
            source = f"in {split.folder}" if split.folder else split.layout
            progress.say(f"{use} on {split.name} {split.split}: {count_noun(len(split.frames), 'frame')}, {source}")
    frame_sets = [*record.benchmarks, *(split for split in in_distribution.values() if split)]
    for warning in dict.fromkeys(warning for frame_set in frame_sets for warning in frame_set.warnings):
        progress.warn(warning)
    frames = sum(len(frame_set.frames) for frame_set in frame_sets)
    seconds = sum(frames * per_frame for per_frame in plan.seconds_a_pass().values())
    size = plan.disk_bytes() / 1e6
    progress.say(f"estimated inference time: {seconds:.0f} s, plus scoring; scores: at most {size:.0f} MB in {folder}")
