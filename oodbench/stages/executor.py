"""Interface of what runs the batches of a job: this process, or a cluster."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from oodbench.errors import OodbenchError, ScoreError
from oodbench.planning.plan import Plan
from oodbench.stages.score_batches import BatchOutcome, BatchTask, ScoreJob


@dataclass(frozen=True)
class FailedBatch:
    """A batch that failed each time it was scored by itself.

    Attributes:
        positions: Indices of its frames in the benchmark.
        error: The last error.
    """

    positions: range
    error: OodbenchError


class BatchesFailedError(ScoreError):
    """Error about the batches that failed after all others were scored.

    Args:
        failed: The batches, at least one.

    Attributes:
        failed: The batches, as passed.
    """

    def __init__(self, failed: Sequence[FailedBatch]) -> None:
        self.failed = tuple(failed)
        count = sum(len(batch.positions) for batch in failed)
        first = self.failed[0].error
        noun = "1 frame was" if count == 1 else f"{count} frames were"
        super().__init__(f"{noun} not scored; all others are stored; the first error: {first.problem}", first.remedy)


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
            BatchesFailedError: Batches failed, and all others were scored.
            StopRequestedError: A stop was requested.

        An error is raised after the outcomes of all batches that were computed before it.
        """
