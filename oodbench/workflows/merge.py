"""Merging of the shards of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from oodbench.environment import join_environments
from oodbench.errors import RunFolderError
from oodbench.planning.one_or_more import Data, OneOrMore
from oodbench.planning.records import FrameSetRecord, PlanRecord
from oodbench.progress import Progress, Silent
from oodbench.runs.access import RunAccess
from oodbench.runs.run import Run
from oodbench.storage.artifacts import RunArtifacts
from oodbench.storage.keys import FRAME_KINDS, SHARD_KINDS, Key, cost_key, environment_key, measurement_key, score_key
from oodbench.storage.open_store import open_store
from oodbench.storage.removal import remove_unwanted
from oodbench.storage.shards import adopt
from oodbench.workflows.run import write_reports


def merge(
    folders: Sequence[str | Path],
    out: str | Path | None = None,
    progress: Progress | None = None,
    *,
    plugins: OneOrMore = (),
    trust: bool = False,
    data: Data = (),
) -> Run:
    """Combine the score maps that several processes computed for one run, evaluate them and write the reports.

    Each process called `oodbench.run` with `shard="i/n"` and scored its part of the frames, a shard.

    Args:
        folders: The folders that were passed to these calls as `out`; each contains at least one shard.
        out: The folder of the whole run. None: the first of `folders`.
        progress: Callback for progress messages; None: silent.
        plugins: Python files with your own plugins, as for `load`. Benchmarks and reports of the shards' plugins are
            used only if they are named here.
        trust: Whether to run all code that the shards name, as for `load`.
        data: Folders that contain the benchmarks now, as for `load`.

    Returns:
        The whole run, with its results.

    Raises:
        UntrustedCodeError: A benchmark is in a plugin file that is neither named nor trusted.
        RunFolderError: There are no shards, the shards belong to different runs, or a shard is missing, is still being
            computed or was interrupted.

    Examples:
        >>> import oodbench
        >>> for shard in ("1/2", "2/2"):
        ...     _ = oodbench.run(
        ...         models="streets-softmax", methods="msp", benchmarks="streets-anomaly", limit=2, id_limit=1,
        ...         shard=shard, out="run",
        ...     )
        >>> oodbench.merge(["run"]).results[0].counts["frames"]
        2
    """
    progress = progress or Silent()
    stores = [RunArtifacts(shard) for folder in folders for shard in open_store(folder).shards()]
    shards = [(artifacts, plan) for artifacts in stores if (plan := artifacts.plan()) is not None]
    if not shards:
        raise RunFolderError(
            f"{', '.join(map(str, folders))}: no shard of a run in these folders",
            "Give the folders that were given as --out to 'oodbench run --shard i/n'.",
        )
    first, record = shards[0]
    for shard, plan in shards:
        if plan.digest != record.digest:
            raise RunFolderError(
                f"{first.store.location} and {shard.store.location} are shards of different runs "
                f"({'; '.join(record.differences(plan))})",
                "Give the shards of one run, or remove the shards of the other run.",
            )
    access = RunAccess.of(plugins, trust, data)
    registry = access.registry(record)
    access.check_roots(registry)
    for part in record.benchmarks:
        registry.benchmark(part.name)  # before anything is written: evaluation needs all benchmarks
    store = open_store(out if out is not None else folders[0])
    artifacts = RunArtifacts(store)
    existing = artifacts.plan()
    if existing is not None and existing.digest != record.digest:
        raise RunFolderError(
            f"{store.location}: this folder belongs to another run", "Choose another folder with --out."
        )
    with store.lock():
        artifacts.write_plan(record)
        with progress.track("merge", len(shards), "shards") as advance:
            for shard, _ in shards:
                with shard.store.lock():
                    adopt(shard, artifacts, (*SHARD_KINDS, *FRAME_KINDS))
                advance(1)
        for network in record.networks:
            key = cost_key(network.digest)
            artifacts.replace_costs(key, [line for shard, _ in shards for line in shard.costs(key)])
            _merge_environments(environment_key(network.digest), [shard for shard, _ in shards], artifacts, progress)
        _check_complete(record, artifacts)
    run = Run(store, access=access).evaluate(progress)
    with store.lock():
        remove_unwanted(record, artifacts)
    write_reports(run, progress)
    return run


def _merge_environments(key: Key, shards: Sequence[RunArtifacts], artifacts: RunArtifacts, progress: Progress) -> None:
    """Store the environment with the values of all shards, and warn if they differ."""
    environments = [environment for shard in shards if (environment := shard.json(key)) is not None]
    if not environments:
        return
    first = environments[0]
    artifacts.write_json(key, join_environments(environments))
    differing = sorted(
        {name for other in environments for name in other.keys() | first.keys() if other.get(name) != first.get(name)}
    )
    if differing:
        progress.warn(
            f"the shards were computed in different environments ({', '.join(differing)}); results record all"
        )


def _check_complete(record: PlanRecord, artifacts: RunArtifacts) -> None:
    measured, chunked = artifacts.measured(), artifacts.chunked()

    kept = {part.name: part.kept_frames(record.keep_scores) for part in record.benchmarks}
    bucketed = {part.name for part in record.benchmarks if record.is_bucketed(part)}

    def is_scored(scorer: str, benchmark: FrameSetRecord, index: int) -> bool:
        frame = benchmark.frames[index]
        if benchmark.name in bucketed:
            return (scorer, frame.place) in chunked
        has_map = artifacts.has_map(score_key(scorer, frame.key), (frame.height, frame.width))
        return has_map or (index not in kept[benchmark.name] and measurement_key(scorer, frame) in measured)

    missing = Counter(
        benchmark.name
        for benchmark in record.benchmarks
        for index in range(len(benchmark.frames))
        if not all(is_scored(scorer.key, benchmark, index) for scorer in record.scorers)
    )
    if missing:
        counts = "; ".join(
            f"{missing[part.name]} of {len(part.frames)} frames of {part.name}"
            for part in record.benchmarks
            if part.name in missing
        )
        raise RunFolderError(
            f"{artifacts.store.location}: not scored yet: {counts}",
            "Run 'oodbench run --shard' again for the missing or interrupted shard, then merge again.",
        )
