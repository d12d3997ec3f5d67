"""A run, from what was asked for to its reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

from oodbench.errors import NotStoredError, RunFolderError
from oodbench.metrics.protocols import DEFAULT_PROTOCOL, PROTOCOLS
from oodbench.planning.plan import Plan, default_folder, make_plan
from oodbench.planning.request import STAGES, IfExists, KeepScores, Request, Stage
from oodbench.progress import Progress, Silent
from oodbench.registry import Registry
from oodbench.runs.run import Run
from oodbench.stages.calibrate import calibrate
from oodbench.stages.evaluate import evaluate, write_results
from oodbench.stages.failures import Failures
from oodbench.stages.fit import fit
from oodbench.stages.score import score
from oodbench.storage.artifacts import RunArtifacts
from oodbench.storage.keys import SHARD_KINDS, Kind, result_key, score_key
from oodbench.storage.local import LocalStore
from oodbench.storage.shards import adopt
from oodbench.types import Resize
from oodbench.workflows.arguments import (
    BenchmarksArgument,
    MethodsArgument,
    ModelsArgument,
    OneOrMore,
    as_tuple,
    split_arguments,
)


def run(
    *,
    models: ModelsArgument = (),
    methods: MethodsArgument = (),
    benchmarks: BenchmarksArgument = (),
    data: OneOrMore | Mapping[str, str | Path] = (),
    id_data: OneOrMore | Mapping[str, str | Path] = (),
    model_cards: OneOrMore = (),
    checkpoints: OneOrMore = (),
    id_limit: int | None = None,
    upsample: Literal["logits", "score"] = "logits",
    resize: Resize = "bilinear",
    keep_scores: KeepScores = "all",
    limit: int | Literal["all"] | None = None,
    batch_size: int = 1,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    seed: int = 0,
    out: str | Path | None = None,
    protocols: OneOrMore = (DEFAULT_PROTOCOL,),
    if_exists: IfExists = "continue",
    stop_after: Stage = "report",
    fail_fast: bool = False,
    shard: str | None = None,
    plugins: OneOrMore = (),
    progress: Progress | None = None,
) -> Run:
    """Score benchmarks with methods on networks, evaluate the scores and write the reports.

    The same as `oodbench run`; docs/run.md describes each parameter.

    Args:
        models: Networks: names and files as for `--model`, or objects such as a `TorchSegmenter`.
        methods: Methods: `NAME` or `NAME:key=value,...`, `all`, or objects that are not fitted. Each network gets its
            own instance of an object, made from its class and parameters.
        benchmarks: Benchmarks: names, what `load_benchmark` returns, or objects of a `Benchmark` class of your own.
        batch_size: Frames per forward pass. It is part of the run's identity.
        shard: `i/n` to score this shard only (docs/run.md, "In shards"); oodbench.merge combines the shards.
        protocols: Names of protocols, or `leaderboard` for the one that each benchmark's own leaderboard uses.
        if_exists: What to do if the folder holds a run: `continue` it if it is the same run, otherwise refuse; `reuse`
            what fits this run; `overwrite` it.
        fail_fast: Whether the first benchmark that fails ends the run. Otherwise the others finish, and `Run.failed`
            has those that failed.
        progress: Callback for progress messages; None: silent.

    Returns:
        The run. `run(...).table()` has its numbers.

    Raises:
        OodbenchError: A mistake that the user can fix; the message says how.
    """
    registry = Registry(tuple(Path(path).absolute() for path in as_tuple(plugins)))
    given = split_arguments(models, methods, benchmarks, registry)
    request = Request.of(
        methods=given.methods,
        models=given.models,
        model_cards=as_tuple(model_cards),
        checkpoints=as_tuple(checkpoints),
        benchmarks=given.benchmarks,
        data=(*as_tuple(data), *given.data),
        id_data=as_tuple(id_data),
        id_limit=id_limit,
        upsample=upsample,
        resize=resize,
        keep_scores=keep_scores,
        limit=limit,
        batch_size=batch_size,
        device=device,
        seed=seed,
        out=out,
        protocols=as_tuple(protocols),
        if_exists=if_exists,
        stop_after=stop_after,
        fail_fast=fail_fast,
        shard=shard,
        plugins=as_tuple(plugins),
    )
    progress = progress or Silent()
    plan = make_plan(request, registry, progress, objects=given.objects)
    return replace(execute(request, plan, progress), known=registry)


def execute(request: Request, plan: Plan, progress: Progress) -> Run:
    """Carry out a plan as far as `request.stop_after` says, and return the run.

    Raises:
        BenchmarksFailedError: A run that stops before evaluation has benchmarks that failed.
        OodbenchError: As `run`.
    """
    with open_run_folder(request, plan) as store:
        return execute_in(RunArtifacts(store), request, plan, progress)


def execute_in(artifacts: RunArtifacts, request: Request, plan: Plan, progress: Progress) -> Run:
    """Carry out a plan in a store that this process holds; returns and raises as `execute`."""
    run = Run(artifacts.store)
    failures = Failures(fail_fast=request.fail_fast)
    keep_maps = request.keep_scores == "all"
    names = [benchmark.name for benchmark in plan.record.benchmarks]
    stages: dict[Stage, Callable[[], object]] = {
        "fit": lambda: fit(plan, artifacts, progress),
        "calibrate": lambda: calibrate(plan, artifacts, progress),
        "score": lambda: score(plan, artifacts, progress, keep_maps=keep_maps, shard=request.shard, failures=failures),
        "evaluate": lambda: _evaluate(plan, artifacts, progress, request.keep_scores, failures),
        "report": lambda: write_reports(run, progress),
    }
    for stage in STAGES[1 : STAGES.index(request.last_stage) + 1]:
        stages[stage]()
        failures.raise_if_all(names)
    if request.last_stage not in ("evaluate", "report"):
        failures.raise_if_any()
    elif request.keep_scores == "none":
        _delete_maps(plan, artifacts, keep_figures=False)
    for failure in failures.records:
        progress.warn(str(failure))
    return run


def process_store(request: Request, plan: Plan) -> LocalStore:
    """Return where this process works: the run's folder, or a shard's own folder within it."""
    whole = LocalStore(request.out or default_folder(plan.record))
    return whole.shard(request.shard) if request.shard else whole


@contextmanager
def open_run_folder(request: Request, plan: Plan) -> Iterator[LocalStore]:
    """Hold the plan's folder for this process, with the plan in it.

    Raises:
        RunFolderError: As `check_folder`; or another process holds it.
    """
    check_folder(request, plan)
    whole = RunArtifacts(LocalStore(request.out or default_folder(plan.record)))
    store = process_store(request, plan)
    artifacts = RunArtifacts(store)
    with store.lock():
        if request.if_exists == "overwrite":
            store.clear()
        artifacts.write_plan(plan.record)
        existing = whole.plan() if request.shard else None
        if existing is not None and existing.digest == plan.record.digest:
            adopt(whole, artifacts, SHARD_KINDS)
        yield store


def check_folder(request: Request, plan: Plan) -> None:
    """Make sure, without writing anything, that the plan can be carried out in its folder.

    Raises:
        RunFolderError: The folder can't be written, is too small, or holds something else.
    """
    whole, store = LocalStore(request.out or default_folder(plan.record)), process_store(request, plan)
    store.check_writable()
    _check_space(plan, store, request)
    if whole.is_foreign():
        raise RunFolderError(
            f"{whole.location}: this folder holds other files and no run", "Choose a new or empty folder with --out."
        )
    if request.if_exists != "continue":
        return
    existing = RunArtifacts(store).plan()
    if existing is not None and existing.digest != plan.record.digest:
        differences = "; ".join(plan.record.differences(existing))
        raise RunFolderError(
            f"{store.location}: this folder belongs to another run ({differences})",
            "Use --resume to make this run there and keep what fits, --overwrite to start from scratch, or another "
            "--out.",
        )


def _check_space(plan: Plan, store: LocalStore, request: Request) -> None:
    """Refuse a run whose maps, those that are still to be made, don't fit on the disk."""
    record, artifacts = plan.record, RunArtifacts(store)
    keys = (
        result_key(record, scorer, benchmark, PROTOCOLS[name])
        for benchmark in record.benchmarks
        for name in record.protocols.get(benchmark.name, ())
        for scorer in record.scorers
    )
    if request.keep_scores != "all" and all(artifacts.result(key) for key in keys):
        return
    stored = sum(store.size(key) or 0 for key in store.keys(Kind.SCORE))
    share = request.shard.count if request.shard else 1
    wanted, free = plan.map_bytes() // share - stored, store.free_bytes()
    if wanted > free:
        raise RunFolderError(
            f"{store.location}: the score maps take {wanted / 1e6:.0f} MB and {free / 1e6:.0f} MB are free there",
            "Use --out on another disk, fewer methods or benchmarks, or --limit.",
        )


def _evaluate(
    plan: Plan, artifacts: RunArtifacts, progress: Progress, keep_scores: KeepScores, failures: Failures
) -> None:
    record = plan.record
    results = evaluate(record, plan.frames, artifacts, progress, record.protocols, failures=failures)
    write_results(record, results, artifacts, failures.records)
    if keep_scores == "figures":
        _delete_maps(plan, artifacts, keep_figures=True)


def write_reports(run: Run, progress: Progress) -> None:
    """Write the reports that every run gets. One whose maps are not stored is left out, with a warning."""
    wanted = [plugin.card.name for plugin in run.registry.load_working("reports") if plugin.card.default]
    for warning in run.registry.warnings:
        progress.warn(warning)
    with progress.track("report", len(wanted), "reports") as advance:
        for name in wanted:
            try:
                run.report(name)
            except NotStoredError as error:
                progress.warn(f"{name} was not made: {error.problem} (--keep-scores)")
            advance(1)


def _delete_maps(plan: Plan, artifacts: RunArtifacts, *, keep_figures: bool) -> None:
    """Remove the score maps that are not to stay; the results exist."""
    kept = set()
    run = Run(artifacts.store)
    for benchmark in plan.record.benchmarks if keep_figures else ():
        figures = set(run.figure_frames(benchmark.name))
        kept |= {frame.key for frame in benchmark.frames if frame.id in figures}
    for frame in {frame.key for benchmark in plan.record.benchmarks for frame in benchmark.frames} - kept:
        for scorer in plan.record.scorers:
            artifacts.store.delete(score_key(scorer.key, frame))
