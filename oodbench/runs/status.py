"""Status of a run from the names and sizes of its files.

No score map and no code of the run is read. The run can still be running: its files are replaced as a whole, and a line
that is not complete yet is skipped.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from oodbench.contracts import FailedBenchmark
from oodbench.errors import RunFolderError
from oodbench.planning.records import PHOTOGRAPHS, FrameSetRecord, PlanRecord
from oodbench.planning.shard import Shard
from oodbench.runs.completion.folder import Folder, ResultPlace
from oodbench.runs.completion.records import BenchmarkStatus, RunStatus, ShardStatus, Stage, StageStatus, State
from oodbench.runs.completion.scored_frames import ScoredFrames
from oodbench.storage.keys import Key, calibration_key, fit_key
from oodbench.storage.open_store import open_store
from oodbench.storage.run_store import RunStore
from oodbench.storage.stored_records import no_run


def status(run: str | Path) -> RunStatus:
    """Return what a run has computed and what is left. The run can still be running, in this or in other processes.

    Nothing is written, no score map is read, and no code that the run names is run. A process that works on the run is
    recognised by its lock. Failed benchmarks are known when the run is evaluated.

    Args:
        run: The folder of a run or of its shards, which was passed to `oodbench.run` as `out`.

    Returns:
        The state of the run and of its stages, benchmarks and shards.

    Raises:
        RunFolderError: The folder contains no run, or its plan or its result.json is damaged or can't be read.

    Examples:
        >>> import oodbench
        >>> _ = oodbench.run(
        ...     models="streets-softmax", methods="msp", benchmarks="streets-anomaly", limit=1, id_limit=1,
        ...     stop_after="score", out="run",
        ... )
        >>> status = oodbench.status("run")
        >>> status.state, [(stage.stage, stage.done, stage.planned) for stage in status.stages[2:4]]
        ('stopped', [('score', 1, 1), ('evaluate', 0, 1)])
    """
    store = open_store(run)
    try:
        return _survey(store).status()
    except OSError as error:
        raise RunFolderError(
            f"{error.filename or store.location}: can't be read ({error.strerror})",
            "Make the folder readable. If another process has just removed a file, run the same command again.",
        ) from None


def _survey(store: RunStore) -> _Survey:
    root = Folder(store)
    shards = {shard: Folder(part) for part in store.shards() if (shard := Shard.of_folder(Path(part.location).name))}
    plan = root.plan or _first_plan(shards.values())
    if plan is None:
        raise no_run(store)
    if [part.name for part in plan.benchmarks] == [PHOTOGRAPHS]:
        raise RunFolderError(
            f"{store.location}: contains predictions for photographs; expected a run", "Give the folder of a run."
        )
    problems = {shard: folder.find_problem(plan) for shard, folder in shards.items()}
    return _Survey(
        plan=plan,
        root=root,
        shards={shard: folder for shard, folder in shards.items() if problems[shard] is None},
        problems={shard: problem for shard, problem in problems.items() if problem is not None},
        results=frozenset(root.find_results(plan)),
    )


def _first_plan(shards: Iterable[Folder]) -> PlanRecord | None:
    """Return the first plan of a shard that is not damaged; None if there is no plan."""
    errors = []
    for folder in shards:
        try:
            if folder.plan is not None:
                return folder.plan
        except RunFolderError as error:
            errors.append(error)
    if errors:
        raise errors[0]
    return None


@dataclass(frozen=True)
class _Survey:
    """What is stored in the folders of a run.

    Attributes:
        plan: The plan of the run.
        root: The folder of the run.
        shards: The folders of the valid shards.
        problems: What is wrong with each other shard.
        results: The stored results.
    """

    plan: PlanRecord
    root: Folder
    shards: Mapping[Shard, Folder]
    problems: Mapping[Shard, str]
    results: frozenset[ResultPlace]

    def status(self) -> RunStatus:
        """Return the status of the run."""
        scored = ScoredFrames(self.plan, self._folders, self.results)
        locked = self._locked()
        failures = {} if locked else self.root.find_failures(self.plan)
        benchmarks = tuple(self._benchmark(part, scored, failures.get(part.name)) for part in self.plan.benchmarks)
        stages = tuple(self._stages(benchmarks))
        shards = tuple(self._shards())
        if failures or self.problems:
            state: State = "failed"
        elif all(stage.state == "done" for stage in stages):
            state = "done"
        else:
            state = _unfinished(locked)
        left = _slowest(shards) if shards else scored.seconds_left(self.root)
        return RunStatus(self.root.store.location, state, left, stages, benchmarks, shards)

    @property
    def _folders(self) -> Sequence[Folder]:
        return [self.root, *self.shards.values()]

    def _locked(self) -> bool | None:
        """Return whether a process works on the run or on a shard; None if that is unknown."""
        locks = [folder.locked for folder in self._folders]
        return True if True in locks else None if None in locks else False

    def _state(self, done: int, planned: int) -> State:
        if done >= planned:
            return "done"
        return _unfinished(self._locked()) if done else "missing"

    def _benchmark(
        self, benchmark: FrameSetRecord, scored: ScoredFrames, failure: FailedBenchmark | None
    ) -> BenchmarkStatus:
        done, frames = scored.total([benchmark])
        has_labels = all(any(frame.pixels) for frame in benchmark.frames)
        wanted = {
            ResultPlace(scorer.key, benchmark.name, protocol)
            for scorer in self.plan.scorers
            for protocol in (self.plan.protocols.get(benchmark.name, ()) if has_labels else ())
        }
        evaluated = len(wanted & self.results)
        state = "failed" if failure else self._state(done + evaluated, frames + len(wanted))
        problem = str(failure) if failure else None
        return BenchmarkStatus(benchmark.name, state, done, frames, evaluated, len(wanted), problem)

    def _stages(self, benchmarks: Sequence[BenchmarkStatus]) -> Iterator[StageStatus]:
        scorers, calibrate = self.plan.scorers, self.plan.calibrate
        reports = self.root.store.inner.reports
        counts: dict[Stage, tuple[int, int]] = {
            "fit": self._count([fit_key(scorer.key) for scorer in scorers if scorer.fits]),
            "calibrate": self._count([calibration_key(scorer.key, calibrate) for scorer in scorers if calibrate]),
            "score": (sum(part.scored for part in benchmarks), sum(part.frames for part in benchmarks)),
            "evaluate": (sum(part.evaluated for part in benchmarks), sum(part.results for part in benchmarks)),
            "report": (0, 0) if reports is None else (int(any(reports.glob("[!.]*"))), 1),
        }
        for stage, (done, planned) in counts.items():
            yield StageStatus(stage, self._state(done, planned), done, planned)

    def _count(self, keys: Sequence[Key]) -> tuple[int, int]:
        """Return the number of artifacts that the run or a shard has stored, and of all."""
        return sum(any(folder.store.is_intact(key) for folder in self._folders) for key in keys), len(keys)

    def _shards(self) -> Iterator[ShardStatus]:
        """Yield the state of each shard. A shard without frames is listed only if it has a folder."""
        found = {*self.shards, *self.problems}
        frames = max((len(part.frames) for part in self.plan.benchmarks), default=0)
        batches = math.ceil(frames / self.plan.batch_size)
        expected = {
            Shard(index, count)
            for count in {shard.count for shard in found}
            for index in range(1, min(count, batches) + 1)
        }
        for shard in sorted(found | expected, key=lambda shard: (shard.count, shard.index)):
            yield self._shard(shard, self.shards.get(shard), self.problems.get(shard))

    def _shard(self, shard: Shard, folder: Folder | None, problem: str | None) -> ShardStatus:
        folders = [self.root, folder] if folder else [self.root]
        scored = ScoredFrames(self.plan, folders, self.results, shard)
        done, frames = scored.total(self.plan.benchmarks)
        if problem:
            state: State = "failed"
        elif done == frames:
            state = "done"
        else:
            state = _unfinished(folder.locked) if folder else "missing"
        left = 0.0 if done == frames else scored.seconds_left(folder) if folder else None
        return ShardStatus(f"{shard.index}/{shard.count}", state, done, frames, left, problem)


def _unfinished(locked: bool | None) -> State:
    return "unknown" if locked is None else "running" if locked else "stopped"


def _slowest(shards: Sequence[ShardStatus]) -> float | None:
    """Return the time until the last shard ends, if all run at the same time; None if one time is unknown."""
    times = [shard.seconds_left for shard in shards if shard.seconds_left is not None]
    return max(times) if len(times) == len(shards) else None
