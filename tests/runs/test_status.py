"""The status of runs that are running, stopped, finished, failed and damaged."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from typer.testing import CliRunner

import oodbench
from oodbench.cli.main import app
from oodbench.contracts import FailedBenchmark
from oodbench.errors import RunFolderError
from oodbench.locked_folders import LOCK, is_locked, lock_folder
from oodbench.runs.run import Run
from oodbench.storage.artifacts import RunArtifacts
from oodbench.storage.keys import PLAN, RESULTS_FILE, cost_key
from oodbench.storage.local import LocalStore
from tests.helpers.fake_benchmarks import small_run
from tests.helpers.files import write_cityscapes, write_road_anomaly
from tests.helpers.stored import forge


@pytest.fixture(scope="module")
def stored(network_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a scored shard of three in sharded/, a scored run in scored/ and a whole run in whole/."""
    data = tmp_path_factory.mktemp("data")
    write_road_anomaly(data / "RoadAnomaly_jpg")
    write_cityscapes(data / "cityscapes")
    folder = tmp_path_factory.mktemp("stored")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OODBENCH_CACHE", str(folder / "cache"))
        small_run(network_file, data, folder / "sharded", methods=["msp", "knn"], shard="2/3")
        small_run(network_file, data, folder / "scored", methods=["msp", "knn"], stop_after="score")
        small_run(network_file, data, folder / "whole", methods=["msp", "knn"], stop_after="report")
    return folder


@pytest.fixture
def runs(stored: Path, tmp_path: Path) -> Path:
    """Return a copy of the runs, in which a test can change files."""
    return Path(shutil.copytree(stored, tmp_path / "runs"))


def shown(run: Path, *options: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["status", str(run), *options])
    assert done.exception is None or isinstance(done.exception, SystemExit | RunFolderError), done.exception
    return done.exit_code, done.output


def counts(status: oodbench.RunStatus) -> dict[str, tuple[int, int]]:
    return {stage.stage: (stage.done, stage.planned) for stage in status.stages}


def costs_of(folder: Path) -> Path:
    (file,) = (folder / "costs").iterdir()
    return file


def test_a_finished_run_is_done(runs: Path) -> None:
    found = oodbench.status(runs / "whole")
    assert (found.state, found.seconds_left, found.shards) == ("done", 0, ())
    assert counts(found) == {"fit": (1, 1), "calibrate": (2, 2), "score": (3, 3), "evaluate": (2, 2), "report": (1, 1)}
    assert {stage.state for stage in found.stages} == {"done"}
    assert shown(runs / "whole")[0] == 0


def test_maps_that_were_removed_after_evaluation_count_as_scored(runs: Path) -> None:
    shutil.rmtree(runs / "whole" / "scores")
    assert oodbench.status(runs / "whole").state == "done"
    shutil.rmtree(runs / "whole" / "results")
    assert counts(oodbench.status(runs / "whole"))["score"] == (0, 3)


def test_a_run_without_results_is_stopped(runs: Path) -> None:
    found = oodbench.status(runs / "scored")
    assert not (runs / "scored" / "result.json").exists()
    assert (found.state, found.seconds_left) == ("stopped", 0)
    assert counts(found) == {"fit": (1, 1), "calibrate": (2, 2), "score": (3, 3), "evaluate": (0, 2), "report": (0, 1)}
    (benchmark,) = found.benchmarks
    assert (benchmark.benchmark, benchmark.state) == ("road-anomaly", "stopped")
    assert (benchmark.scored, benchmark.frames, benchmark.evaluated, benchmark.results) == (3, 3, 0, 2)
    code, text = shown(runs / "scored")
    assert code == 75
    assert "score      3/3   done" in text


def test_a_locked_run_is_running_and_its_time_is_the_frames_left(runs: Path) -> None:
    run = runs / "scored"
    next((run / "scores").glob("*/*.npy")).unlink()
    line = {"forward": 1000, "summary": 400, "score": {"a": 100, "b": 500}}
    costs_of(run).write_text(f'\n{json.dumps(line)}\n{{"forward": NaN}}\n[]\n{{"forwa', encoding="utf-8")
    with lock_folder(run):
        before = sorted((path, path.stat().st_mtime_ns) for path in run.rglob("*"))
        found = oodbench.status(run)
        assert before == sorted((path, path.stat().st_mtime_ns) for path in run.rglob("*"))
    assert (found.state, found.seconds_left) == ("running", 2)
    assert [stage.state for stage in found.stages] == ["done", "done", "running", "missing", "missing"]
    costs_of(run).unlink()
    assert oodbench.status(run).seconds_left is None
    assert "time left for scoring: unknown" in shown(run)[1]


def test_a_lock_is_found_without_disturbing_it(tmp_path: Path) -> None:
    assert is_locked(tmp_path / "absent") is False
    with lock_folder(tmp_path / "run"):
        assert is_locked(tmp_path / "run") is True
        with pytest.raises(RunFolderError, match="another oodbench process"), lock_folder(tmp_path / "run"):
            pass
    assert (tmp_path / "run" / LOCK).exists()
    assert is_locked(tmp_path / "run") is False
    with lock_folder(tmp_path / "run"):
        pass


def test_each_shard_has_a_state(runs: Path) -> None:
    run = runs / "sharded"
    found = oodbench.status(run)
    assert [(shard.shard, shard.state, shard.scored, shard.frames) for shard in found.shards] == [
        ("1/3", "missing", 0, 1),
        ("2/3", "done", 1, 1),
        ("3/3", "missing", 0, 1),
    ]
    assert found.seconds_left is None
    assert (found.state, counts(found)["score"]) == ("stopped", (1, 3))
    shutil.copytree(run / "shards" / "2-of-3", run / "shards" / "1-of-3")
    shutil.rmtree(run / "shards" / "1-of-3" / "scores")
    with lock_folder(run / "shards" / "1-of-3"):
        running = oodbench.status(run)
    assert [shard.state for shard in running.shards] == ["running", "done", "missing"]
    assert running.state == "running"
    (line,) = RunArtifacts(LocalStore(run / "shards" / "1-of-3")).costs(
        cost_key(oodbench.load(run / "shards" / "1-of-3").record.networks[0].digest)
    )
    seconds = (line["forward"] + line["summary"] + sum(line["score"].values())) / 1e3
    assert running.shards[0].seconds_left == pytest.approx(seconds)
    stopped = oodbench.status(run)
    assert [shard.state for shard in stopped.shards] == ["stopped", "done", "missing"]
    assert stopped.state == "stopped"


def test_scored_shards_are_ready_to_merge(runs: Path) -> None:
    run = runs / "merged"
    (run / "shards").mkdir(parents=True)
    (runs / "scored").rename(run / "shards" / "1-of-1")
    found = oodbench.status(run)
    assert [(shard.state, shard.seconds_left) for shard in found.shards] == [("done", 0)]
    assert (found.state, counts(found)["score"]) == ("stopped", (3, 3))
    code, text = shown(run)
    assert code == 75
    assert f"oodbench merge {run}" in text


def test_damaged_shards_and_shards_of_other_runs_fail(runs: Path) -> None:
    run = runs / "sharded"
    (run / "shards" / "1-of-3").mkdir()
    (run / "shards" / "1-of-3" / "plan.json").write_text("{")
    other = run / "shards" / "3-of-3"
    shutil.copytree(run / "shards" / "2-of-3", other)
    plan = json.loads((other / "plan.json").read_text())
    forge(other, other / "plan.json", json.dumps(plan | {"seed": 5}))
    (run / "shards" / "notes").mkdir()
    found = oodbench.status(run)
    assert [shard.state for shard in found.shards] == ["failed", "done", "failed"]
    assert "plan.json" in str(found.shards[0].problem)
    assert "a shard of another run (seed: 5 there, 0 here)" in str(found.shards[2].problem)
    code, text = shown(run)
    assert (found.state, code) == ("failed", 4)
    assert "a shard of another run" in text


def test_many_missing_shards_are_not_listed(runs: Path) -> None:
    (runs / "sharded" / "shards" / "2-of-3").rename(runs / "sharded" / "shards" / "999999-of-999999")
    found = oodbench.status(runs / "sharded")
    assert [shard.shard for shard in found.shards] == [f"{index}/999999" for index in (1, 2, 3, 999999)]
    assert found.shards[3].frames == 0


def test_a_failed_benchmark_is_named(runs: Path) -> None:
    run = runs / "scored"
    artifacts = RunArtifacts(LocalStore(run))
    failure = FailedBenchmark(benchmark="road-anomaly", stage="evaluate", problem="0.png: damaged", remedy=None)
    whole = Run(LocalStore(runs / "whole")).content
    artifacts.write_results_file(whole.model_copy(update={"results": {}, "failed": [failure]}))
    found = oodbench.status(run)
    assert (found.state, found.benchmarks[0].state) == ("failed", "failed")
    code, text = shown(run)
    assert code == 4
    assert "road-anomaly failed (evaluate): 0.png: damaged" in text
    with lock_folder(run):  # the same command computes it again
        assert oodbench.status(run).state == "running"
    artifacts.write_results_file(whole.model_copy(update={"results": {}, "failed": [failure], "plan": "older"}))
    assert oodbench.status(run).state == "stopped"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"schema_version": 1}'])
@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("key", [PLAN, RESULTS_FILE])
def test_a_damaged_record_is_a_clear_error(runs: Path, key: object, content: bytes, recorded: bool) -> None:
    file = runs / "whole" / ("plan.json" if key == PLAN else "result.json")
    if recorded:
        forge(runs / "whole", file, content)
    else:
        file.write_bytes(content)
    with pytest.raises(RunFolderError, match=file.name) as raised:
        oodbench.status(runs / "whole")
    assert raised.value.remedy


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"\xff\n\n{}", bytes(1000)])
@pytest.mark.parametrize("pattern", ["scores/*/*", "results/*", "costs/*", "fits/*", "calibration/*"])
def test_other_damaged_files_count_as_missing(runs: Path, pattern: str, content: bytes) -> None:
    for file in (runs / "scored").glob(pattern):
        file.write_bytes(content)
    assert oodbench.status(runs / "scored").state == "stopped"


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"\xff\n\n{}"])
def test_without_digests_no_record_is_known_to_be_intact(runs: Path, content: bytes) -> None:
    (runs / "scored" / "digests.jsonl").write_bytes(content)
    with pytest.raises(RunFolderError, match=r"plan\.json: damaged"):
        oodbench.status(runs / "scored")


@pytest.mark.parametrize("change", [{"batch_size": 0}, {"benchmarks": []}, {"networks": []}, {"scorers": []}])
def test_a_strange_plan_is_no_internal_error(runs: Path, change: dict[str, object]) -> None:
    shard = runs / "sharded" / "shards" / "2-of-3"
    plan = json.loads((shard / "plan.json").read_text())
    forge(shard, shard / "plan.json", json.dumps(plan | change))
    assert shown(runs / "sharded")[0] in (0, 1, 75)


def test_an_unreadable_folder_is_a_clear_error(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "FOLDER")

    monkeypatch.setattr(LocalStore, "keys", refuse)
    with pytest.raises(RunFolderError, match="FOLDER: can't be read"):
        oodbench.status(runs / "whole")


def test_the_command_imports_no_heavy_library(runs: Path) -> None:
    program = (
        f"import sys\nsys.argv = ['oodbench', 'status', {str(runs / 'whole')!r}]\n"
        "from oodbench.cli.main import main\nmain()\n"
        "assert not {'torch', 'numpy', 'pandas', 'cv2', 'numba'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "evaluate   2/2   done" in done.stdout


def test_a_folder_without_a_run_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    for folder in (tmp_path, tmp_path / "absent", tmp_path / "file"):
        with pytest.raises(RunFolderError, match="no run in this folder"):
            oodbench.status(folder)
    assert not (tmp_path / "absent").exists()


def test_json_has_the_same_content(runs: Path) -> None:
    code, text = shown(runs / "sharded", "--json")
    assert code == 75
    assert json.loads(text) == json.loads(json.dumps(asdict(oodbench.status(runs / "sharded"))))
