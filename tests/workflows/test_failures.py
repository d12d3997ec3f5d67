"""Failed benchmarks, which do not stop the others, and exit codes of commands."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import oodbench
from oodbench.baseline import accept
from oodbench.errors import BenchmarksFailedError, DataError, NotComparableError, RunFolderError, UsageError
from oodbench.planning import frame_index
from oodbench.runs.compare import compare_runs
from oodbench.stopping import request_stop
from tests.helpers.fake_benchmarks import numbers, small_run
from tests.helpers.layouts import write_anomaly_track

BOTH = ["road-anomaly", "road-anomaly-21"]


@pytest.fixture
def data(place: Path) -> Path:
    """Write a folder with two benchmarks."""
    write_anomaly_track(place / "downloads" / "dataset_AnomalyTrack")
    return place


class Damage:
    """Damage to an image after the plan checked it.

    Attributes:
        path: The image.
        stamp: Its stamp before the damage, for a plan that does not notice the damage.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.stamp, self._content = path, frame_index._stamp(path), path.read_bytes()

    def make(self) -> None:
        self.path.write_bytes(bytes(len(self._content)))

    def mend(self) -> None:
        self.path.write_bytes(self._content)


@pytest.fixture
def damage(data: Path, network_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Damage]:
    both(network_file, data, tmp_path / "planned", stop_after="plan")
    damage = Damage(sorted((data / "downloads" / "dataset_AnomalyTrack" / "images").glob("validation*"))[1])
    stamp = frame_index._stamp
    monkeypatch.setattr(frame_index, "_stamp", lambda file: damage.stamp if file == damage.path else stamp(file))
    damage.make()
    yield damage
    damage.mend()


def both(network: Path, data: Path, out: Path, **options: Any) -> oodbench.Run:
    return small_run(network, data, out, **{"benchmarks": BOTH, "methods": ["msp"]} | options)


def test_other_benchmarks_finish_and_only_the_failed_one_is_repeated(
    network_file: Path, data: Path, damage: Damage, tmp_path: Path
) -> None:
    run = both(network_file, data, tmp_path / "run", stop_after="report")
    assert [result.benchmark for result in run.results] == ["road-anomaly"]
    (failure,) = run.failed
    assert (failure.benchmark, failure.stage) == ("road-anomaly-21", "score")
    assert str(damage.path) in failure.problem
    assert f"road-anomaly-21 failed (score): {damage.path}" in (run.folder / "report" / "table.txt").read_text()
    assert json.loads((run.folder / "result.json").read_text())["failed"][0]["benchmark"] == "road-anomaly-21"
    times = {path: path.stat().st_mtime_ns for path in run.folder.glob("scores/*/*.npy")}
    damage.mend()
    again = both(network_file, data, tmp_path / "run")
    assert again.failed == []
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert numbers(again) == numbers(both(network_file, data, tmp_path / "whole"))


def test_reports_of_an_incomplete_run_name_the_failed_benchmark(
    network_file: Path, data: Path, damage: Damage, tmp_path: Path
) -> None:
    run = both(network_file, data, tmp_path / "run")
    with pytest.raises(RunFolderError, match="road-anomaly-21 failed"):
        accept(run.folder, tmp_path / "baseline.json")
    with pytest.raises(UsageError, match="road-anomaly-21 failed"):
        oodbench.submit("segment-me-if-you-can", run, tmp_path / "submission")
    evaluated = run.evaluate(protocols=["pebal"])
    assert [result.benchmark for result in evaluated.results] == ["road-anomaly"]
    assert [failure.benchmark for failure in evaluated.failed] == ["road-anomaly-21"]
    damage.mend()
    whole = both(network_file, data, tmp_path / "whole")
    with pytest.raises(NotComparableError, match="road-anomaly-21 failed"):
        compare_runs(run, whole)


def test_fail_fast_ends_the_run(network_file: Path, data: Path, damage: Damage, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="validation"):
        both(network_file, data, tmp_path / "run", fail_fast=True)
    assert not (tmp_path / "run" / "result.json").exists()


def test_if_all_benchmarks_fail_the_first_error_is_raised(
    network_file: Path, data: Path, damage: Damage, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="validation"):
        both(network_file, data, tmp_path / "run", benchmarks=["road-anomaly-21"])


def test_a_run_that_stops_before_results_raises_at_the_end(
    network_file: Path, data: Path, damage: Damage, tmp_path: Path
) -> None:
    with pytest.raises(BenchmarksFailedError, match="road-anomaly-21 failed"):
        both(network_file, data, tmp_path / "run", stop_after="score")
    assert len(list((tmp_path / "run").glob("scores/*/*.npy"))) == 3 + 1


def test_a_stop_takes_effect_after_a_batch_of_any_stage(network_file: Path, data: Path, tmp_path: Path) -> None:
    both(network_file, data, tmp_path / "run", stop_after="calibrate")
    request_stop()
    with pytest.raises(oodbench.errors.StopRequestedError, match="after a batch"):
        both(network_file, data, tmp_path / "run")
    assert len(list((tmp_path / "run").glob("scores/*/*.npy"))) == 1
    request_stop()
    with pytest.raises(oodbench.errors.StopRequestedError, match="after a batch"):
        both(network_file, data, tmp_path / "other")
    assert not list((tmp_path / "other").glob("scores/*/*.npy"))
    assert len(both(network_file, data, tmp_path / "run").results) == 2


def command(network: Path, data: Path, out: Path) -> list[str | Path]:
    benchmarks = [word for name in BOTH for word in ("--benchmark", name)]
    options = ["--model", network, "--data", data, "--method", "msp", "--out", out]
    return [sys.executable, "-m", "oodbench", "run", *benchmarks, *options]


@pytest.mark.slow
def test_the_command_line_ends_with_4(network_file: Path, data: Path, damage: Damage, tmp_path: Path) -> None:
    python, _, _, *words = command(network_file, data, tmp_path / "run")
    program = (
        "from pathlib import Path\n"
        "from oodbench.cli.main import main\n"
        "from oodbench.planning import frame_index\n"
        "stamp = frame_index._stamp\n"
        f"kept = {{Path({str(damage.path)!r}): {damage.stamp}}}\n"
        "frame_index._stamp = lambda file: kept.get(file) or stamp(file)\n"
        "main()\n"
    )
    done = subprocess.run([python, "-c", program, *words], capture_output=True, text=True)
    assert done.returncode == 4
    assert "road-anomaly-21" not in done.stdout.partition("\n\n")[0].splitlines()[0]
    assert "error: road-anomaly-21 failed (score)" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code", "text"),
    [
        (signal.SIGUSR1, 75, "stopped after a batch, as requested"),
        (signal.SIGTERM, 75, "stopped after a batch, as requested"),
        (signal.SIGINT, 130, "interrupted"),
    ],
)
def test_signals_stop_the_run(
    network_file: Path, data: Path, tmp_path: Path, number: int, code: int, text: str
) -> None:
    words = command(network_file, data, tmp_path / "run")
    started = subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    while not (tmp_path / "run" / "plan.json").is_file():
        assert started.poll() is None
        time.sleep(0.02)
    started.send_signal(number)
    _, error = started.communicate(timeout=300)
    assert started.returncode == code
    assert text in error
    assert "Traceback" not in error
    assert subprocess.run(words, capture_output=True).returncode == 0


@pytest.mark.slow
def test_a_partly_verified_run_ends_with_5(network_file: Path, data: Path, tmp_path: Path) -> None:
    run = both(network_file, data, tmp_path / "run", benchmarks=["road-anomaly"])
    verify = [sys.executable, "-m", "oodbench", "verify", run.folder]
    assert subprocess.run(verify, capture_output=True).returncode == 0
    for path in run.folder.glob("scores/*/*.npy"):
        path.unlink()
    assert subprocess.run(verify, capture_output=True).returncode == 5


def test_methods_missing_from_the_baseline_do_not_fail_the_gate(network_file: Path, data: Path, tmp_path: Path) -> None:
    options = {"benchmarks": ["road-anomaly"]}
    accept(both(network_file, data, tmp_path / "first", **options).folder, tmp_path / "baseline.json")
    more = both(network_file, data, tmp_path / "more", methods=["msp", "energy"], **options)
    verdict = oodbench.gate(more.folder, tmp_path / "baseline.json")
    assert verdict.passed
    assert verdict.new == ("Energy on tiny, road-anomaly (pooled)",)
    accept(more.folder, tmp_path / "baseline.json")
    with pytest.raises(NotComparableError, match="methods: only in the baseline Energy"):
        oodbench.gate(both(network_file, data, tmp_path / "first", **options).folder, tmp_path / "baseline.json")


def test_protocols_are_part_of_the_request(network_file: Path, data: Path, tmp_path: Path) -> None:
    run = both(network_file, data, tmp_path / "run", protocols=["leaderboard"])
    assert {(result.benchmark, result.protocol.name) for result in run.results} == {
        ("road-anomaly", "pooled"), ("road-anomaly-21", "smiyc"),
    }  # fmt: skip
    other = both(network_file, data, tmp_path / "run", protocols=["pebal"])
    assert {result.protocol.name for result in other.results} == {"pebal"}
    assert list(other.content.results) == ["pebal", "pooled", "smiyc"]
    assert numbers(oodbench.load(run.folder, ["pooled"])) == numbers(run)[:1]
    with pytest.raises(UsageError, match="unknown protocol 'smyc'"):
        both(network_file, data, tmp_path / "run", protocols=["smyc"])
