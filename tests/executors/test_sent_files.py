"""A worker that has none of the driver's files gets them, and gives the same scores."""

from __future__ import annotations

import pickle
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from oodbench.contracts import Scoring
from oodbench.errors import DataError, MissingExtraError, ModelError, OodbenchError, UnknownNameError, UsageError
from oodbench.planning.plan import Plan, make_plan
from oodbench.planning.request import Request
from oodbench.progress import Silent
from oodbench.registry import Registry
from oodbench.stages.score_batches import BatchOutcome, BatchTask, ScoreJob
from oodbench.user_code import importing
from tests.helpers.plugin_folder import write_plugins

pytest.importorskip("ray", reason="the extra ray is not installed")

from oodbench.environment import find_version
from oodbench.executors.ray.networks import NetworkObject, describe_network
from oodbench.executors.ray.packing import Packer, ReceivedFiles
from oodbench.executors.ray.worker import SentBatches, SentJob, Worker
from oodbench.executors.serial import SerialExecutor


class Driver:
    """A plan on a network, a method and a benchmark of plugins, and what a driver sends of it."""

    def __init__(self, folder: Path, model: str, plugins: tuple[Path, ...], methods: tuple[str, ...]) -> None:
        request = Request.of(
            models=(model,),
            methods=methods,
            plugins=plugins,
            benchmarks=("road-anomaly",),
            data=("downloads",),
            threads=1,
        )
        self.folder = folder
        self.plan: Plan = make_plan(request, Registry(request.plugins), Silent())
        self.network = self.plan.record.networks[0]
        self.scorers = tuple(scorer.key for scorer in self.plan.record.scorers)
        self.job = ScoreJob(
            self.network.name, "road-anomaly", Scoring(), self.scorers, dict.fromkeys(self.scorers, ()), frozenset({0}),
            frozenset(), {},
        )  # fmt: skip
        self.tasks = [BatchTask(range(index, index + 1), self.scorers) for index in range(3)]

    def serial(self) -> list[BatchOutcome]:
        return [*SerialExecutor().score(self.plan, self.job, self.tasks)]

    def pack(self) -> tuple[bytes, bytes]:
        packer = Packer()
        network = packer.pack(describe_network(self.plan, self.network.name, packer), "the network")
        sent = SentJob(find_version("oodbench"), self.job, self.network.digest, network, dict(self.plan.scorers))
        records = dict(enumerate(self.plan.record.benchmark("road-anomaly").frames))
        frames = {index: self.plan.frames[record.digest] for index, record in records.items()}
        return packer.pack(sent, "the job"), packer.pack(SentBatches(self.tasks, records, frames), "the frames")


@pytest.fixture
def driver(place: Path) -> Driver:
    plugins = write_plugins(place / "plugins")
    (place / "net.seed").write_text("3")
    return Driver(place, "net.seed", (plugins["methods"], plugins["models"]), ("mine", "msp"))


def forget_user_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process behave like another one, which has imported no file of the user."""
    for name in [name for name in sys.modules if name.startswith(importing.USER_PACKAGES)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(importing, "_packages", {})


def assert_same(outcomes: list[BatchOutcome | OodbenchError], expected: list[BatchOutcome]) -> None:
    assert len(outcomes) == len(expected)
    for outcome, serial in zip(outcomes, expected, strict=True):
        assert isinstance(outcome, BatchOutcome), outcome
        assert outcome.positions == serial.positions
        for frame, other in zip(outcome.frames, serial.frames, strict=True):
            assert frame.maps.keys() == other.maps.keys()
            assert all(np.array_equal(frame.maps[key], other.maps[key]) for key in frame.maps)
            for key, measurement in frame.measurements.items():
                assert measurement.digest == other.measurements[key].digest


def test_without_any_file(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    expected, (job, batches) = driver.serial(), driver.pack()
    moved = driver.folder.rename(driver.folder.with_name("elsewhere"))
    fetched: list[str] = []

    def fetch(path: str) -> bytes:
        fetched.append(path)
        return (moved / Path(path).relative_to(driver.folder)).read_bytes()

    monkeypatch.chdir(moved.parent)
    forget_user_code(monkeypatch)
    worker = Worker(fetch, 1)
    try:
        assert worker.prepare(job) is None
        assert_same([*worker.score(batches)], expected)
    finally:
        worker.close()
    names = {str(Path(path).relative_to(driver.folder)) for path in fetched}
    assert {"net.seed", "plugins/adapter.py", "plugins/nets/tiny.py", "plugins/nets/gain.py"} <= names
    assert len([name for name in names if name.startswith("downloads")]) == 6  # three images with labels


def test_with_all_files(driver: Driver) -> None:
    def fetch(path: str) -> bytes:
        raise AssertionError(f"{path} is there")

    expected, (job, batches) = driver.serial(), driver.pack()
    worker = Worker(fetch, 1)
    assert worker.prepare(job) is None
    assert_same([*worker.score(batches)], expected)
    worker.close()


def test_other_content_at_the_path(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("driver")
    packed = Packer().pack({"file": file}, "it")
    file.write_text("worker")
    received = ReceivedFiles(tmp_path / "copies", lambda _: b"driver").unpack(packed)
    assert received["file"] != file
    assert received["file"].read_text() == "driver"
    with pytest.raises(DataError, match="changed while the run used it"):
        ReceivedFiles(tmp_path / "others", lambda _: b"edited").unpack(packed)


def test_other_network_at_the_path(driver: Driver) -> None:
    job, _ = driver.pack()
    sent = ReceivedFiles(Path(), lambda _: b"").unpack(job)
    network = ReceivedFiles(Path(), lambda _: b"").unpack(sent.network)
    other = type(network)(network.record.model_copy(update={"digest": "0" * 64}), network.plugins, network.digests)
    with pytest.raises(ModelError, match="not those of the driver"):
        other.open(ReceivedFiles(Path(), lambda _: b""))


def test_other_version(driver: Driver, tmp_path: Path) -> None:
    worker = Worker(lambda _: b"", 1)
    error = worker.prepare(Packer().pack(SentJob("9.9", driver.job, "", b"", {}), "it"))
    assert isinstance(error, UsageError)
    assert "the driver has 9.9" in error.problem
    worker.close()


def test_object_that_cannot_be_pickled(driver: Driver) -> None:
    network = driver.plan.networks[driver.network.name]
    network.lock = threading.Lock()  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="the network can't be sent to the workers of --executor ray"):
        Packer().pack(NetworkObject(network), "the network")


@pytest.mark.parametrize(
    "error",
    [
        UnknownNameError("method", "mps", ["msp"]),
        MissingExtraError("It", "ray", ImportError("no")),
        DataError("a", "b"),
    ],
)
def test_errors_are_the_same_in_another_process(error: OodbenchError) -> None:
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301  # made here
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))
