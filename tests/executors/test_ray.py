"""Runs on a Ray cluster of one node give the bytes of a run in one process, whatever fails on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from oodbench.errors import ScoreError, UsageError
from oodbench.planning.plan import make_plan
from oodbench.planning.request import Request
from oodbench.progress import Silent
from oodbench.registry import Registry
from oodbench.runs.run import Run
from oodbench.storage.artifacts import RunArtifacts
from oodbench.storage.keys import Kind
from oodbench.storage.open_store import open_store
from oodbench.workflows.run import execute
from tests.helpers.fake_benchmarks import small_run

pytest.importorskip("ray", reason="the extra ray is not installed")

pytestmark = pytest.mark.slow

# The first process that scores with this method is killed if the file `spared` exists and has the id of another one.
ACCIDENT = """
import os
from pathlib import Path

from oodbench.contracts import MethodCard, Parameters, PixelMethod

PLUGINS = {"methods": {"accident": ("Accident", "for a test")}}


class Accident(PixelMethod):
    class Params(Parameters):
        folder: str

    params: Params
    card = MethodCard(name="accident", title="Accident", paper="none", url="none")

    def pixel_score(self, band):
        spared = Path(self.params.folder) / "spared"
        if spared.exists() and int(spared.read_text()) != os.getpid():
            spared.unlink()
            os.kill(os.getpid(), 9)
        return -band.logits.amax(dim=0)
"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Start a cluster of one node, and return its address."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 2, "object_store_memory": 200 << 20, "include_dashboard": False},
    )
    yield cluster.address
    cluster.shutdown()  # type: ignore[no-untyped-call]


@pytest.fixture
def options(place: Path) -> dict[str, Any]:
    """Return options of a run with a method of this package that is fitted, and one of a plugin."""
    (place / "accident.py").write_text(ACCIDENT)
    return {
        "methods": ["knn", f"accident:folder={place}"],
        "id_data": [place / "cityscapes"],
        "plugins": [place / "accident.py"],
        "threads": 1,
    }


@pytest.fixture
def serial(options: dict[str, Any], place: Path) -> Run:
    return small_run(place / "network.onnx", place / "downloads", place / "serial", **options)


def on_ray(address: str) -> dict[str, Any]:
    return {"executor": "ray", "workers": 1, "ray_address": address}


def scores(run: Run) -> Mapping[str, bytes]:
    """Return the bytes of all score maps and measurements."""
    store = run.artifacts.store
    kinds = (Kind.SCORE, Kind.MEASUREMENT, Kind.PREDICTION, Kind.CALIBRATION)
    return {store.name(key): bytes(store.read(key)) for kind in kinds for key in store.keys(kind)}


def results(run: Run) -> list[dict[str, Any]]:
    """Return the results without what is measured again."""
    return [row.model_dump(exclude={"cost", "environment"}) for row in run.results]


def assert_same(run: Run, serial: Run) -> None:
    def relative(files: Mapping[str, bytes], run: Run) -> dict[str, bytes]:
        return {name.replace(str(run.location), ""): data for name, data in files.items()}

    assert relative(scores(run), run) == relative(scores(serial), serial)
    assert results(run) == results(serial)
    assert [row.environment for row in run.results] == [row.environment for row in serial.results]


def test_killed_worker(serial: Run, options: dict[str, Any], place: Path, address: str) -> None:
    (place / "spared").write_text(str(os.getpid()))
    run = small_run(place / "network.onnx", place / "downloads", place / "ray", **options, **on_ray(address))
    assert not (place / "spared").exists()
    assert_same(run, serial)


def test_killed_driver(serial: Run, options: dict[str, Any], place: Path) -> None:
    """The command starts a cluster on this machine, which ends with the command."""
    arguments = "run --model network.onnx --data downloads --benchmark road-anomaly --id-data cityscapes --method knn"
    command = [*arguments.split(), "--method", options["methods"][1], "--plugin", "accident.py", "--out", "ray"]
    command += ["--executor", "ray", "--workers", "1", "--threads", "1", "--stop-after", "evaluate"]
    process = subprocess.Popen([sys.executable, "-m", "oodbench", *command])
    while process.poll() is None and not any((place / "ray" / "scores").rglob("*.npy")):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    run = small_run(place / "network.onnx", place / "downloads", place / "ray", **options)
    assert scores(run).keys() == {name.replace("/serial/", "/ray/") for name in scores(serial)}
    assert_same(run, serial)


@pytest.mark.parametrize(
    ("address", "problem"),
    [("127.0.0.1:1", "there is no cluster"), ("ray://127.0.0.1:1", "expected HOST:PORT or auto")],
)
def test_wrong_address(place: Path, address: str, problem: str) -> None:
    with pytest.raises(UsageError, match=f"--ray-address {address}: {problem}"):
        small_run(place / "network.onnx", place / "downloads", place / "ray", methods=["msp"], **on_ray(address))


def test_failed_frame(serial: Run, options: dict[str, Any], place: Path, address: str) -> None:
    request = Request.of(
        models=("network.onnx",), data=("downloads",), benchmarks=("road-anomaly",), out=place / "ray",
        methods=tuple(options["methods"]), id_data=("cityscapes",), plugins=("accident.py",), threads=1,
        stop_after="evaluate", **on_ray(address),
    )  # fmt: skip
    registry = Registry(request.plugins)
    plan = make_plan(request, registry, Silent())
    record = plan.record.benchmarks[0]
    image = plan.frames[record.frames[1].digest].image_file
    assert image is not None
    content = image.read_bytes()
    image.write_bytes(b"damaged")
    with pytest.raises(ScoreError, match=f"1 frame was not scored; all others are stored.*{image.name}"):
        execute(request, plan, Silent(), registry)
    artifacts = RunArtifacts(open_store(place / "ray"))
    (ledger,) = [artifacts.json(key) for key in artifacts.store.keys(Kind.FAILURE)]
    assert [failure["frames"] for failure in ledger] == [[record.frames[1].id]]
    image.write_bytes(content)
    assert_same(execute(request, make_plan(request, registry, Silent()), Silent(), registry), serial)
    assert not [*artifacts.store.keys(Kind.FAILURE)]
