"""The pieces of a run (pipeline.shards) put together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from oodbench.errors import RunFolderError
from oodbench.planning.records import PlanRecord
from oodbench.planning.shard import SHARDS
from oodbench.progress import Progress, Silent
from oodbench.runs.run import Run
from oodbench.storage.local import LocalStore
from oodbench.storage.shards import SHARED, adopt
from oodbench.workflows.run import write_reports

_MAPS = ("scores", "predictions")


def merge(folders: Sequence[str | Path], out: str | Path | None = None, progress: Progress | None = None) -> Run:
    """Put the pieces of a run together, evaluate them and write the reports.

    Args:
        folders: what was given to the pieces as --out; each holds one piece or more.
        out: the folder of the whole run; by default the first of `folders`.
        progress: where news go; nowhere by default.

    Raises:
        RunFolderError: there are no pieces, they are of different runs, one is missing, is still at work or was
            interrupted.
    """
    progress = progress or Silent()
    pieces = [LocalStore(path) for folder in folders for path in sorted((Path(folder) / SHARDS).glob("[!.]*"))]
    plans = [(piece, plan) for piece in pieces if (plan := piece.plan()) is not None]
    if not plans:
        raise RunFolderError(
            f"{', '.join(map(str, folders))}: no piece of a run there",
            "Expected folders that were given as --out to 'oodbench run --shard i/n'.",
        )
    first, record = plans[0]
    for piece, plan in plans:
        if plan.digest != record.digest:
            raise RunFolderError(
                f"{first.folder} and {piece.folder} are pieces of different runs "
                f"({'; '.join(record.differences(plan))})",
                "Give the pieces of one run, or remove those of the other.",
            )
    store = LocalStore(Path(out) if out is not None else Path(folders[0]))
    there = store.plan()
    if there is not None and there.digest != record.digest:
        raise RunFolderError(f"{store.folder}: this folder belongs to another run", "Choose another one with --out.")
    with store.locked():
        store.write_json("plan.json", record.model_dump(mode="json"))
        with progress.track("merge", len(plans), "pieces") as advance:
            for piece, _ in plans:
                with piece.locked():
                    adopt(piece, store, (*SHARED, *_MAPS))
                advance(1)
        for network in record.networks:
            key = network.digest[:12]
            store.replace_costs(key, [line for piece, _ in plans for line in piece.costs(key)])
            _merge_environments(f"environments/{key}.json", [piece for piece, _ in plans], store, progress)
        _check_whole(record, store)
    run = Run(store.folder).evaluate(progress)
    write_reports(run, progress)
    return run


def _merge_environments(name: str, pieces: Sequence[LocalStore], store: LocalStore, progress: Progress) -> None:
    """The first piece's stands for all; a difference is told of."""
    found = [environment for piece in pieces if (environment := piece.read_json(name)) is not None]
    if not found:
        return
    store.write_json(name, found[0])
    differing = sorted(
        {key for other in found for key in other.keys() | found[0].keys() if other.get(key) != found[0].get(key)}
    )
    if differing:
        progress.warn(f"the pieces were made in different environments ({', '.join(differing)}); rows name the first")


def _check_whole(record: PlanRecord, store: LocalStore) -> None:
    missing = Counter(
        benchmark.name
        for benchmark in record.benchmarks
        for frame in benchmark.frames
        if not all(
            store.has_map("scores", scorer.key, frame.key, (frame.height, frame.width)) for scorer in record.scorers
        )
    )
    if missing:
        counts = "; ".join(
            f"{missing[part.name]} of {len(part.frames)} frames of {part.name}"
            for part in record.benchmarks
            if part.name in missing
        )
        raise RunFolderError(
            f"{store.folder}: not scored yet: {counts}",
            "A piece is missing or was interrupted: run its 'oodbench run --shard' again, then merge again.",
        )
