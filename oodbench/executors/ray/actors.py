"""Actors: the processes on the cluster. Nothing here imports torch, which must find the number of threads first."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray

if TYPE_CHECKING:
    from oodbench.errors import OodbenchError
    from oodbench.stages.score_batches import BatchOutcome


class FileServer:
    """Actor on the driver's machine that reads the files which other machines lack."""

    def read(self, path: str) -> bytes:
        """Return the content of a file."""
        return Path(path).read_bytes()


class WorkerActor:
    """Actor that scores batches.

    Args:
        server: The file server.
        threads: Number of threads.
    """

    def __init__(self, server: Any, threads: int) -> None:
        os.environ["OMP_NUM_THREADS"] = str(threads)
        from oodbench.executors.ray.worker import Worker

        def fetch(path: str) -> bytes:
            content: bytes = ray.get(server.read.remote(path))
            return content

        self._worker = Worker(fetch, threads)

    def prepare(self, job: bytes) -> OodbenchError | None:
        """Receive a job; return the error if its network can't be opened."""
        return self._worker.prepare(job)

    def score(self, batches: bytes) -> Iterator[BatchOutcome | OodbenchError]:
        """Score batches of the last job. If one fails, its error is the last item."""
        yield from self._worker.score(batches)

    def close(self) -> None:
        """Delete the received files."""
        self._worker.close()
