"""A run, from what was asked for to its reports."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeAlias

from oodbench.errors import NotStoredError, RunFolderError
from oodbench.planning.plan import Plan, default_folder, make_plan
from oodbench.planning.request import STAGES, IfExists, KeepScores, Request, Stage
from oodbench.progress import Progress, Silent
from oodbench.registry import Registry
from oodbench.runs.run import Run
from oodbench.stages.calibrate import calibrate
from oodbench.stages.evaluate import evaluate, result, result_key
from oodbench.stages.fit import fit
from oodbench.stages.score import score
from oodbench.storage.local import LocalStore
from oodbench.storage.shards import SHARED, adopt
from oodbench.types import Resize

OneOrMore: TypeAlias = Sequence[str | Path] | str | Path
"""Names or files; a single one needs no list."""


def run(
    *,
    models: OneOrMore = (),
    methods: OneOrMore = (),
    benchmarks: OneOrMore = (),
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
    policy: IfExists = "same",
    until: Stage = "report",
    shard: str | None = None,
    plugins: OneOrMore = (),
    progress: Progress | None = None,
) -> Run:
    """`oodbench run` from Python; the parameters are its options (docs/run.md).

    Args:
        batch_size: frames in one forward pass. It is part of the run's identity.
        shard: `i/n`: score this piece alone (docs/run.md, "In pieces"); oodbench.merge puts the pieces together.
        policy: what to do where the folder holds a run already: `same`, `resume` or `overwrite`.
        progress: where news go; nowhere by default.

    Returns:
        The run. `run(...).table()` has its numbers.

    Raises:
        OodbenchError: a mistake that can be mended; the message says how.
    """
    request = Request.of(
        methods=as_tuple(methods),
        models=as_tuple(models),
        model_cards=as_tuple(model_cards),
        checkpoints=as_tuple(checkpoints),
        benchmarks=as_tuple(benchmarks),
        data=as_tuple(data),
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
        policy=policy,
        until=until,
        shard=shard,
        plugins=as_tuple(plugins),
    )
    progress = progress or Silent()
    return execute(request, make_plan(request, Registry(request.plugins), progress), progress)


def as_tuple(values: OneOrMore | Mapping[str, str | Path]) -> tuple[str, ...]:
    """One is as good as a list of one, and a mapping as good as NAME=DIR."""
    if isinstance(values, str | Path):
        return (str(values),)
    if isinstance(values, Mapping):
        return tuple(f"{name}={folder}" for name, folder in values.items())
    return tuple(map(str, values))


def execute(request: Request, plan: Plan, progress: Progress) -> Run:
    """Carry out a plan, as far as `request.until` says, and return the run.

    Raises:
        OodbenchError: see `run`.
    """
    with open_run_folder(request, plan) as store:
        run = Run(store.folder)
        stages: dict[Stage, Callable[[], object]] = {
            "fit": lambda: fit(plan, store, progress),
            "calibrate": lambda: calibrate(plan, store, progress),
            "score": lambda: score(plan, store, progress, keep_maps=request.keep_scores == "all", shard=request.shard),
            "evaluate": lambda: _evaluate(plan, store, progress, request.keep_scores, run),
            "report": lambda: write_reports(run, progress),
        }
        for stage in STAGES[1 : STAGES.index(request.last_stage) + 1]:
            stages[stage]()
        if request.keep_scores == "none" and request.last_stage in ("evaluate", "report"):
            _drop_maps(plan, store, run, keep_figures=False)
    return run


def process_folder(request: Request, plan: Plan) -> Path:
    """Where this process works: in the run's folder, or in a piece's own folder within it."""
    folder = request.out or default_folder(plan.record)
    return request.shard.folder(folder) if request.shard else folder


@contextmanager
def open_run_folder(request: Request, plan: Plan) -> Iterator[LocalStore]:
    """The plan's folder, held by this process, with the plan in it.

    Raises:
        RunFolderError: see `check_folder`; or another process holds it.
    """
    check_folder(request, plan)
    whole = LocalStore(request.out or default_folder(plan.record))
    store = LocalStore(process_folder(request, plan))
    with store.locked():
        if request.policy == "overwrite":
            store.clear()
        store.write_json("plan.json", plan.record.model_dump(mode="json"))
        there = whole.plan() if request.shard else None
        if there is not None and there.digest == plan.record.digest:
            adopt(whole, store, SHARED)
        yield store


def check_folder(request: Request, plan: Plan) -> None:
    """Make sure, without writing anything, that the plan can be carried out in its folder.

    Raises:
        RunFolderError: it can't be written, is too small, or holds something else.
    """
    whole, store = LocalStore(request.out or default_folder(plan.record)), LocalStore(process_folder(request, plan))
    place = next(parent for parent in (store.folder, *store.folder.absolute().parents) if parent.exists())
    if not place.is_dir() or not os.access(place, os.W_OK):
        raise RunFolderError(f"{place}: can't be written", "Choose a folder that can be written with --out.")
    _check_space(plan, store, place, request)
    if whole.is_foreign():
        raise RunFolderError(
            f"{whole.folder}: this folder holds other files and no run", "Choose a new or empty folder with --out."
        )
    if request.policy != "same":
        return
    there = store.plan()
    if there is not None and there.digest != plan.record.digest:
        differences = "; ".join(plan.record.differences(there))
        raise RunFolderError(
            f"{store.folder}: this folder belongs to another run ({differences})",
            "Use --resume to go on there and keep what fits, --overwrite to start anew, or another --out.",
        )


def _check_space(plan: Plan, store: LocalStore, place: Path, request: Request) -> None:
    """Refuse a run whose maps, those that are still to be made, don't fit on the disk."""
    record = plan.record
    keys = (result_key(record, scorer, part) for scorer in record.scorers for part in record.benchmarks)
    if request.keep_scores != "all" and all(store.row(key) for key in keys):
        return
    stored = sum(path.stat().st_size for path in (store.folder / "scores").glob("*/*.npy"))
    share = request.shard.count if request.shard else 1
    wanted, free = plan.map_bytes() // share - stored, shutil.disk_usage(place).free
    if wanted > free:
        raise RunFolderError(
            f"{store.folder}: the score maps take {wanted / 1e6:.0f} MB and {free / 1e6:.0f} MB are free there",
            "Use --out on another disk, fewer methods or benchmarks, or --limit.",
        )


def _evaluate(plan: Plan, store: LocalStore, progress: Progress, keep_scores: KeepScores, run: Run) -> None:
    rows = evaluate(plan.record, plan.frames, store, progress)
    store.write_json("result.json", result(plan.record, rows, store))
    if keep_scores == "figures":
        _drop_maps(plan, store, run, keep_figures=True)


def write_reports(run: Run, progress: Progress) -> None:
    """The last stage: the reports that every run gets. One whose maps are not stored is left out, with a warning."""
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


def _drop_maps(plan: Plan, store: LocalStore, run: Run, *, keep_figures: bool) -> None:
    """Remove the score maps that are not to stay; the rows are there."""
    kept = set()
    for benchmark in plan.record.benchmarks if keep_figures else ():
        figures = set(run.figure_frames(benchmark.name))
        kept |= {frame.key for frame in benchmark.frames if frame.id in figures}
    for frame in {frame.key for benchmark in plan.record.benchmarks for frame in benchmark.frames} - kept:
        for scorer in plan.record.scorers:
            store.map_path("scores", scorer.key, frame).unlink(missing_ok=True)
