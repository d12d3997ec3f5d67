"""A run in shards, which is bit-identical to a run in one process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import oodbench
from oodbench.errors import RunFolderError, UsageError
from oodbench.planning.shard import Shard
from oodbench.storage.keys import cost_key
from tests.helpers.fake_benchmarks import numbers, small_run
from tests.helpers.files import photograph, save
from tests.helpers.results import results_of
from tests.helpers.stored import forge


@pytest.fixture
def data(road_anomaly: Path, cityscapes: Path) -> Path:
    assert road_anomaly.parent == cityscapes.parent
    return road_anomaly.parent


def run_shard(network: Path, data: Path, out: Path, shard: str, **options: object) -> None:
    small_run(network, data, out, shard=shard, **options)


@pytest.mark.slow
@pytest.mark.parametrize(("count", "batch_size"), [(1, 1), (2, 1), (2, 2), (5, 1)])
def test_shards_give_the_same_results_as_one_process(
    network_file: Path, data: Path, tmp_path: Path, count: int, batch_size: int
) -> None:
    whole = small_run(network_file, data, tmp_path / "whole", batch_size=batch_size)
    for index in range(count, 0, -1):
        run_shard(network_file, data, tmp_path / "run", f"{index}/{count}", batch_size=batch_size)
    merged = oodbench.merge([tmp_path / "run"])
    assert numbers(merged) == numbers(whole)
    assert merged.quality == whole.quality
    assert len(list(merged.artifacts.costs(cost_key(whole.record.networks[0].digest)))) == len(range(0, 3, batch_size))
    assert (tmp_path / "run" / "report" / "table.md").is_file()
    # Repeating the command changes nothing, and the folder is a complete run.
    assert numbers(oodbench.merge([tmp_path / "run"])) == numbers(whole)
    assert numbers(small_run(network_file, data, tmp_path / "run", batch_size=batch_size)) == numbers(whole)


def test_each_frame_is_scored_once_with_one_fit(network_file: Path, data: Path, tmp_path: Path) -> None:
    small_run(network_file, data, tmp_path / "run", methods=["knn"], stop_after="calibrate")
    (fitted,) = (tmp_path / "run" / "fits").iterdir()
    for index in (1, 2):
        run_shard(network_file, data, tmp_path / "run", f"{index}/2", methods=["knn"])
    shards = sorted((tmp_path / "run" / "shards").iterdir())
    assert [path.name for path in shards] == ["1-of-2", "2-of-2"]
    maps = [{path.name for path in folder.glob("scores/*/*.npy")} for folder in shards]
    assert [len(names) for names in maps] == [2, 1]
    assert not maps[0] & maps[1]
    assert all((folder / "fits" / fitted.name).samefile(fitted) for folder in shards)
    assert not any((folder / "result.json").exists() for folder in shards)


@pytest.mark.slow
def test_shards_may_be_in_separate_folders(network_file: Path, data: Path, tmp_path: Path) -> None:
    whole = small_run(network_file, data, tmp_path / "whole", methods=["msp"])
    for index in (1, 2):
        run_shard(network_file, data, tmp_path / f"machine{index}", f"{index}/2", methods=["msp"])
    folders = [tmp_path / "machine1", tmp_path / "machine2"]
    assert numbers(oodbench.merge(folders, tmp_path / "all")) == numbers(whole)


def test_missing_and_foreign_shards_are_named(network_file: Path, data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(RunFolderError, match="no shard of a run in these folders"):
        oodbench.merge([run])
    run_shard(network_file, data, run, "1/2", methods=["msp"])
    with pytest.raises(RunFolderError, match="not scored yet: 1 of 3 frames of road-anomaly"):
        oodbench.merge([run])
    run_shard(network_file, data, run, "2/2", methods=["entropy"])
    with pytest.raises(RunFolderError, match=r"shards of different runs .*methods: Entropy there, MSP here"):
        oodbench.merge([run])
    run_shard(network_file, data, run, "2/2", methods=["msp"], if_exists="overwrite")
    oodbench.merge([run])
    (damaged,) = (run / "shards" / "2-of-2" / "scores").glob("*/*.npy")
    content = damaged.read_bytes()
    damaged.unlink()
    damaged.write_bytes(b"no map")
    with pytest.raises(RunFolderError, match="damaged"):
        oodbench.merge([run])
    forge(run / "shards" / "2-of-2", damaged, content[:-1] + b"1")
    with pytest.raises(RunFolderError, match="belong to one run and differ"):
        oodbench.merge([run])
    with pytest.raises(RunFolderError, match="belongs to another run"):
        oodbench.merge([run], small_run(network_file, data, tmp_path / "other", methods=["energy"]).folder)


@pytest.mark.parametrize("text", ["0/2", "3/2", "2", "1/0", "a/b", "-1/2", "1/2/3"])
def test_an_invalid_shard_is_an_error(network_file: Path, data: Path, tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match=r"shard.*i/n"):
        run_shard(network_file, data, tmp_path / "run", text)
    assert not (tmp_path / "run").exists()


def test_each_batch_belongs_to_one_shard() -> None:
    for count in range(1, 8):
        shards = [Shard(index, count) for index in range(1, count + 1)]
        assert all(sum(part.takes(batch) for part in shards) == 1 for batch in range(40))


@pytest.mark.slow
def test_a_killed_shard_resumes(network_file: Path, data: Path, tmp_path: Path) -> None:
    options = ["--model", network_file, "--data", data, "--benchmark", "road-anomaly", "--method", "msp"]
    command = [sys.executable, "-m", "oodbench", "run", *options, "--out", tmp_path / "run", "--shard"]
    killed = subprocess.Popen([*command, "1/2"], start_new_session=True, stderr=subprocess.DEVNULL)
    plan = tmp_path / "run" / "shards" / "1-of-2" / "plan.json"
    while not plan.is_file():
        assert killed.poll() is None
        time.sleep(0.02)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    for shard in ("2/2", "1/2"):
        done = subprocess.run([*command, shard], check=True, capture_output=True, text=True)
        assert f"oodbench merge {tmp_path / 'run'}" in done.stderr
    merge = [sys.executable, "-m", "oodbench", "merge", tmp_path / "run", "--json"]
    merged = json.loads(subprocess.run(merge, check=True, capture_output=True, text=True).stdout)
    whole = small_run(network_file, data, tmp_path / "whole", methods=["msp"])
    assert [row["metrics"] for row in results_of(merged)] == [row.metrics for row in whole.results]


def test_a_run_accepts_a_folder_with_shards(network_file: Path, data: Path, tmp_path: Path) -> None:
    run_shard(network_file, data, tmp_path / "run", "1/2", methods=["msp"])
    assert small_run(network_file, data, tmp_path / "run", methods=["msp"]).results
    save(tmp_path / "strange" / "image.png", photograph(0))
    with pytest.raises(RunFolderError, match="other files"):
        run_shard(network_file, data, tmp_path / "strange", "1/2", methods=["msp"])
