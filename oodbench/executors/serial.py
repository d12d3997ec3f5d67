"""Executor that scores all batches in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from typing_extensions import override

from oodbench.planning.plan import Plan
from oodbench.stages.executor import Executor
from oodbench.stages.score_batches import BatchOutcome, BatchScorer, BatchTask, ScoreJob


class SerialExecutor(Executor):
    """Scores batches one after another with the networks and methods of the plan."""

    @override
    def score(self, plan: Plan, job: ScoreJob, tasks: Sequence[BatchTask]) -> Iterator[BatchOutcome]:
        records = dict(enumerate(plan.record.benchmark(job.benchmark).frames))
        frames = {index: plan.frames[record.digest] for index, record in records.items()}
        methods = {key: plan.scorers[key] for key in job.scorers}
        return BatchScorer(job, plan.networks[job.network], methods, records, frames).score(tasks)
