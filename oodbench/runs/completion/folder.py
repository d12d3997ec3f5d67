"""Content of the folder of a run or of a shard, as far as the status needs it."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Annotated, NamedTuple

from pydantic import BaseModel, Field, ValidationError

from oodbench.contracts import FailedBenchmark, Result
from oodbench.errors import RunFolderError
from oodbench.planning.records import PlanRecord, SegmenterRecord
from oodbench.storage.keys import RESULTS_FILE, Key, Kind, cost_key, result_key, without_rules
from oodbench.storage.run_store import REPAIR, RunStore
from oodbench.storage.sealed import SealedStore
from oodbench.storage.stored_records import read_plan, read_record

_Milliseconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class ResultPlace(NamedTuple):
    """What a result is about: the key of its scorer, and the names of its benchmark and its protocol."""

    scorer: str
    benchmark: str
    protocol: str


class _BatchCost(BaseModel):
    """A line of the costs of a network: times of one batch, in milliseconds per frame."""

    forward: _Milliseconds
    summary: _Milliseconds
    score: dict[str, _Milliseconds]


class _Failures(BaseModel):
    """The part of result.json that names the failed benchmarks."""

    plan: str
    failed: list[FailedBenchmark]


class Folder:
    """The folder of a run or of a shard, in which a process may be writing.

    Args:
        store: The store of the folder.

    Attributes:
        store: The same store, with a check of what is read.
        locked: Whether a process works in the folder; None if that is unknown.
    """

    def __init__(self, store: RunStore) -> None:
        self.store = SealedStore(store)
        self.locked = store.is_locked()

    @cached_property
    def plan(self) -> PlanRecord | None:
        """The plan; None if there is none."""
        return read_plan(self.store)

    @cached_property
    def scored(self) -> frozenset[Key]:
        """The keys of the score maps and of the measurements (without rules) that have the size that was written."""
        kinds = (Kind.SCORE, Kind.MEASUREMENT)
        intact = [key for kind in kinds for key in self.store.keys(kind) if self.store.is_intact(key)]
        return frozenset(without_rules(key) if key.kind is Kind.MEASUREMENT else key for key in intact)

    @cached_property
    def chunked(self) -> frozenset[tuple[str, str]]:
        """The scorer and the place of each frame in a stored chunk."""
        if next(iter(self.store.keys(Kind.CHUNK)), None) is None:
            return frozenset()
        from oodbench.storage.artifacts import RunArtifacts  # imports numpy, which a run without chunks does not need

        return RunArtifacts(self.store).chunked()

    def find_problem(self, plan: PlanRecord) -> str | None:
        """Return why this folder can't be a shard of the run with this plan; None if it can."""
        try:
            if self.plan is not None and self.plan.digest != plan.digest:
                differences = "; ".join(plan.differences(self.plan))
                return f"{self.store.location}: a shard of another run ({differences})"
            _ = self.scored  # raises an error if the name of a map is not valid
        except RunFolderError as error:
            return error.problem
        return None

    def find_results(self, plan: PlanRecord) -> Iterator[ResultPlace]:
        """Yield the place of each stored result that belongs to the plan."""
        scorers = {(scorer.network, scorer.label): scorer for scorer in plan.scorers}
        benchmarks = {part.name: part for part in plan.benchmarks}
        for key in self.store.keys(Kind.RESULT):
            try:
                result = Result.model_validate_json(self.store.read(key))
            except (ValidationError, RunFolderError):
                continue  # damaged: the next run computes it again
            scorer, benchmark = scorers.get((result.network, result.label)), benchmarks.get(result.benchmark)
            if scorer and benchmark and result_key(plan, scorer, benchmark, result.protocol) == key:
                yield ResultPlace(scorer.key, benchmark.name, result.protocol.name)

    def find_failures(self, plan: PlanRecord) -> Mapping[str, FailedBenchmark]:
        """Return the failed benchmarks in result.json by name; none if the file belongs to an earlier plan.

        Raises:
            RunFolderError: The file is damaged, or was written by another version.
        """
        if not self.store.has(RESULTS_FILE):
            return {}
        content = read_record(self.store, RESULTS_FILE, _Failures, "the results", REPAIR)
        return {failure.benchmark: failure for failure in content.failed} if content.plan == plan.digest else {}

    def seconds_per_frame(self, network: SegmenterRecord) -> float | None:
        """Return the median time in which a network and its methods scored a frame; None before the first batch."""
        key, seconds = cost_key(network.digest), []
        for line in self.store.read(key).splitlines() if self.store.has(key) else ():
            try:
                cost = _BatchCost.model_validate_json(line)
            except ValidationError:
                continue  # empty, damaged, or a part of a line that is being written
            seconds.append((cost.forward + cost.summary + sum(cost.score.values())) / 1e3)
        return statistics.median(seconds) if seconds else None
