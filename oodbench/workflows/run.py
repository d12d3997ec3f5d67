"""A complete run, from the request to the reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from oodbench.errors import NotStoredError, RunFolderError
from oodbench.executors.choice import open_executor
from oodbench.metrics.protocols import DEFAULT_PROTOCOL, PROTOCOLS
from oodbench.planning.one_or_more import Data, OneOrMore, as_tuple
from oodbench.planning.plan import Plan, default_folder, make_plan
from oodbench.planning.records import DEFAULT_MEMORY, KeepScores
from oodbench.planning.request import STAGES, IfExists, Request, Stage
from oodbench.progress import Progress, Silent
from oodbench.registry import Registry
from oodbench.runs.access import RunAccess
from oodbench.runs.run import Run
from oodbench.stages.calibrate import calibrate
from oodbench.stages.evaluate import evaluate, write_results
from oodbench.stages.executor import Executor
from oodbench.stages.failures import Failures
from oodbench.stages.fit import fit
from oodbench.stages.score import score
from oodbench.storage.artifacts import RunArtifacts
from oodbench.storage.keys import FRAME_KINDS, SHARD_KINDS, result_key
from oodbench.storage.open_store import open_store
from oodbench.storage.removal import remove_unwanted
from oodbench.storage.run_store import RunStore
from oodbench.storage.shards import adopt
from oodbench.threads import limit_threads
from oodbench.types import Resize
from oodbench.workflows.arguments import (
    BenchmarksArgument,
    MethodsArgument,
    ModelsArgument,
    as_frame_choices,
    make_registry,
    split_arguments,
)


def run(
    *,
    models: ModelsArgument = (),
    methods: MethodsArgument = (),
    benchmarks: BenchmarksArgument = (),
    data: Data = (),
    id_data: Data = (),
    model_cards: OneOrMore = (),
    checkpoints: OneOrMore = (),
    id_limit: int | None = None,
    upsample: Literal["logits", "score"] = "logits",
    resize: Resize = "bilinear",
    keep_scores: KeepScores = "all",
    memory: int | str = DEFAULT_MEMORY,
    limit: int | Literal["all"] | None = None,
    frames: OneOrMore | Mapping[str, OneOrMore] = (),
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
    executor: Literal["serial", "ray"] = "serial",
    workers: int | None = None,
    threads: int | None = None,
    gpus_per_worker: float | None = None,
    ray_address: str | None = None,
    progress: Progress | None = None,
) -> Run:
    """Compute the score maps of benchmarks with methods and networks, evaluate them and write the reports.

    The command `oodbench run` does the same. A score map holds the anomaly score of each pixel. All outputs are stored
    in the run's folder. If the run is interrupted, the same call resumes it there.

    Args:
        models: Networks: names (`list_models`), files as `load_segmenter` opens them, or objects such as a
            `TorchSegmenter`. Empty: the models of this package.
        methods: Methods: `NAME`, `NAME:key=value,...`, `all`, or method objects. From an object, the run creates a new
            instance with the same parameters for each network. Empty: a fixed set of methods.
        benchmarks: Benchmarks: names, outputs of `load_benchmark`, or objects of your own `Benchmark` class. Empty: all
            that are found. For the models of this package, only its synthetic benchmarks are used; if you pass `data`,
            the benchmarks found there are added.
        data: Folders to search for benchmarks, or a mapping from names of benchmarks to folders. Empty: the folders in
            the environment variable OODBENCH_DATA or in your config file.
        id_data: Folders to search for the in-distribution dataset, or a mapping from names of datasets to folders.
            Methods are fitted (learn from labelled frames) on its training split. Thresholds are calibrated on its
            validation split. Empty: the folders in `data`, or in your config file.
        model_cards: Files of model cards (TOML descriptions of the networks), one per model.
        checkpoints: Files of weights, one per model.
        id_limit: Maximum number of frames for fitting, and for calibration. None: the dataset's own default if it has
            one, otherwise 500.
        upsample: `logits`: the class maps (logits or posteriors) are resized to the labels' resolution and then scored.
            `score`: they are scored at the network's output resolution, and the score map is resized.
        resize: Interpolation: `bilinear` with half-pixel centres, or `bilinear-aligned` with aligned corners.
        keep_scores: Which score maps to store. `all`: all maps. `figures`: those of the four frames per benchmark that
            figures show. `measurements`: no map, but all scores without their places in the image, so that
            `Run.evaluate` can apply another protocol. `none`: no map; only results stay.
        memory: Memory for all scores of one method on one benchmark, two bytes per pixel, as bytes or as a text such as
            `4GB`. If `keep_scores` is `figures` or `none` and more is needed, scores are counted in buckets, and each
            metric is an interval that contains its exact value.
        limit: Use only this number of frames of each benchmark, starting with its first frame. `all`: use every frame.
            None: the benchmark's default.
        frames: Use only the frames with these ids: ids, files with one id per line, or a mapping from names of
            benchmarks to ids. Not together with `limit`. Benchmarks without any of the frames are left out, unless
            `benchmarks` names them. Empty: the frames that `limit` selects.
        batch_size: Number of frames per forward pass. Score maps that were stored with another batch size are not
            reused.
        device: The device for the networks: `auto` (a GPU if there is one), `cpu` or `cuda`.
        seed: Random seed.
        out: The folder of the run. None: a folder in runs/, whose name contains a hash of networks, frames and
            settings, so that the same call finds the same folder.
        protocols: Names of protocols, the sets of rules that turn scores into metrics (`list_protocols`). `leaderboard`
            stands for the protocol of each benchmark's own leaderboard.
        if_exists: What to do if the folder contains a run. `continue`: resume that run if it has the networks, frames
            and settings of this call, otherwise raise an error. `reuse`: make the new run in this folder even if the
            run there has other networks, frames or settings. Stored files that are valid for the new run are used
            again. `overwrite`: delete the run in the folder and start from scratch.
        stop_after: The last stage to execute: `plan`, `fit`, `calibrate`, `score`, `evaluate` or `report`.
        fail_fast: Whether the first benchmark that fails stops the run. If False, the other benchmarks finish, and
            `Run.failed` lists the failures.
        shard: `i/n`: score only part i of n parts of the frames, for example on one of n machines; `oodbench.merge`
            combines the parts. `auto`: read i and n from the environment of an array job (Slurm, Kubernetes, AWS
            Batch). None: score all frames.
        plugins: Python files with your own methods, benchmarks or other plugins.
        executor: What scores the frames: `serial`, this process, or `ray`, the workers of a Ray cluster. Networks and
            methods that are objects must be picklable for `ray`.
        workers: Number of workers for `ray`. None: as many as the cluster has room for.
        threads: Number of threads, for `ray` of each worker. Scores are bit-identical for the same number. None: the
            number in the environment variable OMP_NUM_THREADS, or one per core that this process may use.
        gpus_per_worker: Number of GPUs of each worker for `ray`, which can be a fraction. None: one for networks on a
            GPU, otherwise zero.
        ray_address: Address of a running Ray cluster, as `HOST:PORT` or `auto`. None: a cluster on this machine, which
            ends with the run.
        progress: Callback for progress messages; None: silent.

    Returns:
        The run. Its method `table` returns the results as a table.

    Raises:
        UsageError: An argument, or a combination of arguments, is not valid.
        UnknownNameError: There is no method, benchmark, dataset or protocol of that name.
        ModelError: A network, its model card or the device is not valid.
        DataError: A benchmark or dataset is missing (`DataNotFoundError`) or not intact.
        ScoreError: A score is not finite, and all benchmarks failed. With `fail_fast`, one failed benchmark is enough.
        BenchmarksFailedError: Some benchmarks failed, and the last stage is before `evaluate`.
        RunFolderError: The folder is not writable, is in use, or belongs to another run.
        PluginError: A plugin file is missing or not valid.

    Examples:
        >>> import oodbench
        >>> run = oodbench.run(
        ...     models="streets-softmax", methods=["msp", "energy"], benchmarks="streets-anomaly", limit=1, id_limit=1,
        ...     stop_after="evaluate", out="run",
        ... )
        >>> list(run.table()["label"])
        ['MSP', 'Energy']
        >>> sorted(run.results[0].metrics)
        ['AP', 'AUROC', 'FPR95']
    """
    registry = make_registry(plugins)
    arguments = split_arguments(models, methods, benchmarks, registry)
    request = Request.of(
        methods=arguments.methods,
        models=arguments.models,
        model_cards=as_tuple(model_cards),
        checkpoints=as_tuple(checkpoints),
        benchmarks=arguments.benchmarks,
        data=(*as_tuple(data), *arguments.data),
        id_data=as_tuple(id_data),
        id_limit=id_limit,
        upsample=upsample,
        resize=resize,
        keep_scores=keep_scores,
        memory=memory,
        limit=limit,
        frames=as_frame_choices(frames),
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
        executor=executor,
        workers=workers,
        threads=threads,
        gpus_per_worker=gpus_per_worker,
        ray_address=ray_address,
    )
    progress = progress or Silent()
    plan = make_plan(request, registry, progress, objects=arguments.objects)
    return execute(request, plan, progress, registry)


def execute(request: Request, plan: Plan, progress: Progress, registry: Registry) -> Run:
    """Execute the stages of a plan up to `request.stop_after`, and return the run.

    Args:
        request: The request of the plan.
        plan: The plan.
        progress: Callback for progress messages.
        registry: The registry of the plan. Reports use its plugins and the benchmarks that were passed as objects.

    Raises:
        BenchmarksFailedError: Benchmarks failed in a run that stops before evaluation.
        OodbenchError: The data, a model or the folder is invalid. The message explains the fix.
    """
    with open_run_folder(request, plan) as store:
        return execute_in(RunArtifacts(store), request, plan, progress, registry)


def execute_in(artifacts: RunArtifacts, request: Request, plan: Plan, progress: Progress, registry: Registry) -> Run:
    """Execute a plan as `execute` does, in a store that this process has locked."""
    run = Run(artifacts.store.inner, access=RunAccess.of_process(registry))
    failures = Failures(fail_fast=request.fail_fast)
    names = [benchmark.name for benchmark in plan.record.benchmarks]
    stages: dict[Stage, Callable[[Executor], object]] = {
        "fit": lambda _: fit(plan, artifacts, progress),
        "calibrate": lambda _: calibrate(plan, artifacts, progress),
        "score": lambda executor: score(
            plan,
            artifacts,
            progress,
            executor,
            shard=request.shard,
            failures=failures,
        ),
        "evaluate": lambda _: _evaluate(plan, artifacts, progress, failures),
        "report": lambda _: write_reports(run, progress),
    }
    with limit_threads(request.threads), open_executor(request, plan) as executor:
        for stage in STAGES[1 : STAGES.index(request.last_stage) + 1]:
            stages[stage](executor)
            failures.raise_if_all(names)
    if request.last_stage not in ("evaluate", "report"):
        failures.raise_if_any()
    for failure in failures.records:
        progress.warn(str(failure))
    return run


def process_store(request: Request, plan: Plan) -> RunStore:
    """Return the store of this process: the run's store, or the shard's store in it."""
    run_store = _run_store(request, plan)
    return run_store.shard(request.shard) if request.shard else run_store


def _run_store(request: Request, plan: Plan) -> RunStore:
    return open_store(request.out or default_folder(plan.record))


@contextmanager
def open_run_folder(request: Request, plan: Plan) -> Iterator[RunStore]:
    """Lock the run's folder for this process and write the plan into it.

    Raises:
        RunFolderError: `check_folder` refuses the folder, or another process has locked it.
    """
    check_folder(request, plan)
    run_artifacts = RunArtifacts(_run_store(request, plan))
    store = process_store(request, plan)
    artifacts = RunArtifacts(store)
    with store.lock():
        if request.if_exists == "overwrite":
            store.clear()
        artifacts.write_plan(plan.record)
        existing = run_artifacts.plan() if request.shard else None
        if existing is not None and existing.digest == plan.record.digest:
            adopt(run_artifacts, artifacts, SHARD_KINDS)
        yield store


def check_folder(request: Request, plan: Plan) -> None:
    """Check, without writing anything, that the plan can be executed in its folder.

    Raises:
        RunFolderError: The folder can't be written, the disk is too small, or the folder contains other files.
    """
    run_store, store = _run_store(request, plan), process_store(request, plan)
    store.check_writable()
    _check_space(plan, store, request)
    if run_store.is_foreign():
        raise RunFolderError(
            f"{run_store.location}: this folder contains other files and no run",
            "Choose a new or empty folder with --out.",
        )
    if request.if_exists != "continue":
        return
    existing = RunArtifacts(store).plan()
    if existing is not None and existing.digest != plan.record.digest:
        differences = "; ".join(plan.record.differences(existing))
        raise RunFolderError(
            f"{store.location}: this folder belongs to another run ({differences})",
            "Use --resume to make this run there and reuse files, --overwrite to start from scratch, or another --out.",
        )


def _check_space(plan: Plan, store: RunStore, request: Request) -> None:
    """Raise RunFolderError if the maps and measurements that are not stored yet do not fit on the disk."""
    free = store.free_bytes()
    if free is None:
        return
    record, artifacts = plan.record, RunArtifacts(store)
    keys = (
        result_key(record, scorer, benchmark, PROTOCOLS[name])
        for benchmark in record.benchmarks
        for name in record.protocols.get(benchmark.name, ())
        for scorer in record.scorers
    )
    if request.keep_scores != "all" and all(artifacts.result(key) for key in keys):
        return
    stored = sum(store.size(key) or 0 for kind in FRAME_KINDS for key in store.keys(kind))
    share = request.shard.count if request.shard else 1
    needed = plan.disk_bytes() // share - stored
    if needed > free:
        raise RunFolderError(
            f"{store.location}: the scores need {needed / 1e6:.0f} MB and only {free / 1e6:.0f} MB are free",
            "Use --out on another disk, fewer methods or benchmarks, --limit, or --keep-scores none.",
        )


def _evaluate(plan: Plan, artifacts: RunArtifacts, progress: Progress, failures: Failures) -> None:
    record = plan.record
    results = evaluate(record, plan.frames, artifacts, progress, record.protocols, failures=failures)
    write_results(record, results, artifacts, failures.records)
    remove_unwanted(record, artifacts)


def write_reports(run: Run, progress: Progress) -> None:
    """Write the default reports. A report whose maps are not stored is skipped with a warning."""
    if run.store.reports is None:
        progress.warn(f"no reports were written, because {run.location} is not a folder (oodbench report --out DIR)")
        return
    names = [plugin.card.name for plugin in run.registry.load_working("reports") if plugin.card.default]
    for warning in run.registry.warnings:
        progress.warn(warning)
    with progress.track("report", len(names), "reports") as advance:
        for name in names:
            try:
                run.report(name)
            except NotStoredError as error:
                progress.warn(f"{name} was not written: {error.problem} (--keep-scores)")
            advance(1)
