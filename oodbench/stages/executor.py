"""Interface of what runs the batches of a job: this process, or a cluster."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from oodbench.planning.plan import Plan
from oodbench.stages.score_batches import BatchOutcome, BatchTask, ScoreJob


class Executor(ABC):
    """Runs the batches of jobs and returns their outcomes, which the caller stores.

    A batch that runs twice yields the same outcome. The outcomes of a job can arrive in any order.
    """

    @abstractmethod
    def score(self, plan: Plan, job: ScoreJob, tasks: Sequence[BatchTask]) -> Iterator[BatchOutcome]:
        """Score the batches of one job.

        Args:
            plan: The plan of the run, whose scorers are ready to score.
            job: The job.
            tasks: The batches.

        Raises:
            ScoreError: A score is not finite, or a method failed.
            ModelError: The network failed, or there was not enough memory.
            StopRequestedError: A stop was requested.

        An error is raised after the outcomes of all batches that were computed before it.
        """
