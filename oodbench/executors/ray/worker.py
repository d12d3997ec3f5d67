"""What a worker does: it opens networks once, and scores the batches that it receives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from oodbench.contracts import Method, Segmenter
from oodbench.environment import find_version
from oodbench.errors import OodbenchError, ScoreError, UsageError
from oodbench.executors.ray.networks import SentNetwork
from oodbench.executors.ray.packing import Fetch, ReceivedFiles
from oodbench.planning.frame_record import FrameRecord
from oodbench.stages.score_batches import BatchOutcome, BatchScorer, BatchTask, ScoreJob
from oodbench.threads import limit_threads
from oodbench.types import Frame


@dataclass(frozen=True)
class SentJob:
    """A job as workers receive it.

    Attributes:
        version: The version of oodbench in the driver.
        job: The job.
        digest: The digest of the network.
        network: The packed `SentNetwork`, so that a worker that has opened the network does not unpack it again.
        methods: Maps the key of each scorer to its method, ready to score.
    """

    version: str | None
    job: ScoreJob
    digest: str
    network: bytes
    methods: Mapping[str, Method]


@dataclass(frozen=True)
class SentBatches:
    """Batches as workers receive them.

    Attributes:
        tasks: The batches.
        records: Maps the index of each of their frames to its record.
        frames: Maps the same indices to the frames.
    """

    tasks: Sequence[BatchTask]
    records: Mapping[int, FrameRecord]
    frames: Mapping[int, Frame]


class Worker:
    """Scorer of batches in a separate process.

    Args:
        fetch: The function that returns the content of a file on the driver's machine.
        threads: Number of threads.
    """

    def __init__(self, fetch: Fetch, threads: int) -> None:
        self._fetch = fetch
        self._open = ExitStack()
        self._open.enter_context(limit_threads(threads))
        folder = Path(self._open.enter_context(TemporaryDirectory(prefix="oodbench-worker-")))
        self._files = ReceivedFiles(folder, fetch)
        self._networks: dict[str, Segmenter] = {}
        self._job: SentJob | None = None

    def prepare(self, job: bytes) -> OodbenchError | None:
        """Receive a job, and open its network if it is not open yet; return the error if that is not possible."""
        try:
            sent: SentJob = self._files.unpack(job)
            if sent.version != find_version("oodbench"):
                return UsageError(
                    f"a worker has oodbench {find_version('oodbench')}; the driver has {sent.version}",
                    "Install the same version on all machines.",
                )
            if sent.digest not in self._networks:
                network: SentNetwork = self._files.unpack(sent.network)
                self._networks[sent.digest] = network.open(self._files)
        except OodbenchError as error:
            return error
        self._job = sent
        return None

    def score(self, batches: bytes) -> Iterator[BatchOutcome | OodbenchError]:
        """Score batches of the last job. An error is yielded in place of the first batch that failed, as the last."""
        assert self._job is not None, "prepare comes first"
        try:
            with TemporaryDirectory(prefix="oodbench-frames-") as folder:
                sent: SentBatches = ReceivedFiles(Path(folder), self._fetch).unpack(batches)
                network = self._networks[self._job.digest]
                scorer = BatchScorer(self._job.job, network, self._job.methods, sent.records, sent.frames)
                yield from scorer.score(sent.tasks)
        except OodbenchError as error:
            yield error
        except Exception as error:
            yield ScoreError(f"{type(error).__name__}: {error}", "Run it with --executor serial to see the traceback.")

    def close(self) -> None:
        """Delete the received files."""
        self._open.close()
