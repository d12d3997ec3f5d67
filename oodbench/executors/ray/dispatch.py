"""Distribution of batches to workers, and what happens when a batch or a worker fails."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from oodbench.errors import ModelError, OodbenchError, UsageError
from oodbench.executors.ray.actors import FileServer, WorkerActor
from oodbench.executors.ray.cluster import Resources
from oodbench.stages.executor import BatchesFailedError, FailedBatch
from oodbench.stages.score_batches import BatchOutcome, BatchTask
from oodbench.stopping import check_stop

# Number of batches that a worker receives together: while it scores one, it reads the next.
_TOGETHER = 8

# Number of outcomes of a worker that wait for the driver, which limits the memory.
_WAITING = 4

# A batch fails if it fails this often by itself.
_TRIES = 2

# Number of workers in a row that may die while they open a network.
_STARTS = 3

# Seconds until it is an error that no worker has started.
_PATIENCE = 300

Pack = Callable[[Sequence[BatchTask]], bytes]
"""A function that packs batches for a worker."""


@dataclass
class _Running:
    """Batches that a worker scores.

    Attributes:
        worker: The worker.
        tasks: The batches whose outcomes have not arrived, in order.
        alone: Whether the worker received a single batch.
    """

    worker: Any
    tasks: list[BatchTask]
    alone: bool


class Dispatcher:
    """Distributor of batches to workers, each of which opens a network once.

    Args:
        count: Number of workers.
        resources: The resources of a worker.

    Attributes:
        count: Number of workers, as passed.
    """

    def __init__(self, count: int, resources: Resources) -> None:
        self._resources = resources
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self.count = count
        self._server = ray.remote(FileServer).options(num_cpus=0, scheduling_strategy=here).remote()
        self._workers = [self._start() for _ in range(count)]

    def _start(self) -> Any:
        """Start a worker. Ray repeats nothing, so that each failure is seen here."""
        options = {"num_cpus": self._resources.threads, "num_gpus": self._resources.gpus}
        actor = ray.remote(WorkerActor).options(**options, max_restarts=0, max_task_retries=0)
        return actor.remote(self._server, self._resources.threads)

    def score(self, job: bytes, tasks: Sequence[BatchTask], pack: Pack) -> Iterator[BatchOutcome]:
        """Score the batches of a job and yield their outcomes as they arrive.

        Raises:
            OodbenchError: A worker can't score the job.
            BatchesFailedError: Batches failed, and all others were scored.
            StopRequestedError: A stop was requested.
        """
        yield from _Job(self, ray.put(job), tasks, pack).run()

    def prepare(self, job: Any) -> dict[Any, Any]:
        """Let all workers receive a job; return the worker of each reference to the answer."""
        return {worker.prepare.remote(job): worker for worker in self._workers}

    def replace(self, worker: Any, job: Any) -> tuple[Any, Any]:
        """Start another worker in place of one that died; return the reference to its answer, and the worker."""
        self._workers.remove(worker)
        started = self._start()
        self._workers.append(started)
        return started.prepare.remote(job), started

    def lacks_room(self) -> UsageError:
        """Return the error that no worker has started."""
        needed = f"{self._resources.threads} cores and {self._resources.gpus:g} GPUs"
        there = ray.cluster_resources()  # type: ignore[no-untyped-call]
        return UsageError(
            f"--executor ray: no worker has started in {_PATIENCE} seconds; a worker needs {needed}, and the cluster "
            f"has {there.get('CPU', 0):g} cores and {there.get('GPU', 0):g} GPUs",
            "Give fewer --threads or --gpus-per-worker, or add machines to the cluster.",
        )

    def close(self) -> None:
        """Let the idle workers delete what they received, and end all."""
        ray.wait([worker.close.remote() for worker in self._workers], num_returns=len(self._workers), timeout=2)
        for actor in (*self._workers, self._server):
            ray.kill(actor)


class _Job:
    """The batches of one job.

    Args:
        dispatcher: The workers.
        job: The reference to the packed job.
        tasks: The batches.
        pack: The function that packs batches.
    """

    def __init__(self, dispatcher: Dispatcher, job: Any, tasks: Sequence[BatchTask], pack: Pack) -> None:
        self._dispatcher, self._job, self._pack = dispatcher, job, pack
        together = max(1, min(_TOGETHER, len(tasks) // (2 * dispatcher.count)))
        self._queue = deque(tasks[start : start + together] for start in range(0, len(tasks), together))
        self._preparing = dispatcher.prepare(job)
        self._idle: list[Any] = []
        self._running: dict[Any, _Running] = {}
        self._failures: Counter[range] = Counter()
        self._failed: list[FailedBatch] = []
        self._lost_starts = 0
        self._waited = 0

    def run(self) -> Iterator[BatchOutcome]:
        while self._queue or self._running:
            while self._queue and self._idle:
                self._send(self._idle.pop(), self._queue.popleft())
            for ready in self._wait():
                if ready in self._preparing:
                    self._receive_answer(ready)
                elif (outcome := self._receive_outcome(ready)) is not None:
                    yield outcome
            check_stop()
        if self._failed:
            raise BatchesFailedError(self._failed)

    def _send(self, worker: Any, tasks: Sequence[BatchTask]) -> None:
        options = worker.score.options(num_returns="streaming", _generator_backpressure_num_objects=_WAITING)
        self._running[options.remote(self._pack(tasks))] = _Running(worker, list(tasks), alone=len(tasks) == 1)

    def _wait(self) -> Sequence[Any]:
        ready, _ = ray.wait([*self._preparing, *self._running], num_returns=1, timeout=1)
        self._waited = 0 if ready or self._running else self._waited + 1
        if self._waited >= _PATIENCE:
            raise self._dispatcher.lacks_room()
        return ready

    def _receive_answer(self, answer: Any) -> None:
        worker = self._preparing.pop(answer)
        try:
            error = ray.get(answer)
        except RayError as death:
            self._lost_starts += 1
            if self._lost_starts >= _STARTS:
                raise ModelError(
                    f"{_STARTS} workers in a row ended while they opened the network ({_first_line(death)})",
                    "Use fewer workers per machine, or machines with more memory.",
                ) from death
            self._replace(worker)
            return
        if error is not None:
            raise error
        self._lost_starts = 0
        self._idle.append(worker)

    def _receive_outcome(self, stream: Any) -> BatchOutcome | None:
        """Return the next outcome of a worker; None if it has no more, has failed or has died."""
        running = self._running[stream]
        try:
            outcome: BatchOutcome | OodbenchError = ray.get(next(stream))
        except StopIteration:
            self._finish(stream)
            return None
        except RayError as death:
            self._finish(stream, died=True)
            cause = f"the worker ended while it scored ({_first_line(death)})"
            error = ModelError(cause, "Use fewer workers per machine, or machines with more memory.")
            self._retry(running.tasks, error, counted=running.alone)
            return None
        if isinstance(outcome, OodbenchError):
            failed, *rest = running.tasks
            running.tasks.clear()
            self._retry([failed], outcome, counted=True)
            self._queue.extendleft([rest] if rest else [])
            return None
        running.tasks = [task for task in running.tasks if task.positions != outcome.positions]
        return outcome

    def _finish(self, stream: Any, *, died: bool = False) -> None:
        worker = self._running.pop(stream).worker
        if died:
            self._replace(worker)
        else:
            self._idle.append(worker)

    def _replace(self, worker: Any) -> None:
        answer, started = self._dispatcher.replace(worker, self._job)
        self._preparing[answer] = started

    def _retry(self, tasks: Sequence[BatchTask], error: OodbenchError, *, counted: bool) -> None:
        """Put batches back into the queue, one by one, or give up those that failed too often."""
        for task in tasks:
            self._failures[task.positions] += counted
            if self._failures[task.positions] >= _TRIES:
                self._failed.append(FailedBatch(task.positions, error))
            else:
                self._queue.append([task])


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
