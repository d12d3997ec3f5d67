"""Executor that sends batches to workers on a Ray cluster and receives their outcomes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import cached_property

from typing_extensions import override

from oodbench.environment import find_version
from oodbench.executors.ray.cluster import Resources, connect
from oodbench.executors.ray.dispatch import Dispatcher
from oodbench.executors.ray.networks import describe_network
from oodbench.executors.ray.packing import Packer
from oodbench.executors.ray.worker import SentBatches, SentJob
from oodbench.planning.plan import Plan
from oodbench.stages.executor import Executor
from oodbench.stages.score_batches import BatchOutcome, BatchTask, ScoreJob


class RayExecutor(Executor):
    """Executor of batches on the workers of a cluster. Outcomes arrive in any order.

    The workers start when the first batch is scored.

    Args:
        resources: What the run uses of the cluster.
        stack: The stack on which the end of the workers is put.
    """

    def __init__(self, resources: Resources, stack: ExitStack) -> None:
        self._resources, self._stack, self._packer = resources, stack, Packer()

    @cached_property
    def _dispatcher(self) -> Dispatcher:
        workers = self._stack.enter_context(connect(self._resources))
        dispatcher = Dispatcher(workers, self._resources)
        self._stack.callback(dispatcher.close)
        return dispatcher

    @override
    def score(self, plan: Plan, job: ScoreJob, tasks: Sequence[BatchTask]) -> Iterator[BatchOutcome]:
        pack, network = self._packer.pack, plan.record.network(job.network)
        sent = SentJob(
            find_version("oodbench"),
            job,
            network.digest,
            pack(describe_network(plan, job.network, self._packer), f"the network {job.network}"),
            {key: plan.scorers[key] for key in job.scorers},
        )
        records = plan.record.benchmark(job.benchmark).frames

        def pack_batches(tasks: Sequence[BatchTask]) -> bytes:
            chosen = {index: records[index] for task in tasks for index in task.positions}
            frames = {index: plan.frames[record.digest] for index, record in chosen.items()}
            return pack(SentBatches(tasks, chosen, frames), f"a frame of {job.benchmark}")

        return self._dispatcher.score(pack(sent, f"a method on {job.network}"), tasks, pack_batches)
