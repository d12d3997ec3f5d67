"""The command line: outputs, files and exit codes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.files import photograph, save
from tests.helpers.results import results_of


def oodbench(*arguments: object, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "oodbench", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=os.environ | environment)


@pytest.fixture
def data(road_anomaly: Path, cityscapes: Path) -> Path:
    assert road_anomaly.parent == cityscapes.parent
    return road_anomaly.parent


@pytest.mark.slow
def test_run_evaluate_and_report(network_file: Path, data: Path, tmp_path: Path) -> None:
    run = ["run", "--model", network_file, "--data", data, "--benchmark", "road-anomaly", "--out", "r"]
    done = oodbench(*run, "--method", "msp", "--method", "knn:k=2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "kNN (k=2)" in done.stdout
    assert "score tiny on road-anomaly: 3/3 frames in" in done.stderr
    assert "estimated inference time:" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr

    again = oodbench(*run, "--method", "msp", "--method", "knn:k=2", "--json", cwd=tmp_path)
    rows = results_of(json.loads(again.stdout))
    assert [row["method"] for row in rows] == ["msp", "knn"]
    assert all(0 <= row["metrics"]["AP"] <= 1 for row in rows)

    evaluated = oodbench("evaluate", "r", "--json", cwd=tmp_path)
    assert [row["metrics"] for row in results_of(json.loads(evaluated.stdout))] == [row["metrics"] for row in rows]
    other = oodbench("evaluate", "r", "--protocol", "pebal", "--json", cwd=tmp_path)
    assert list(json.loads(other.stdout)["results"]) == ["pebal", "pooled"]
    wrong = oodbench("evaluate", "r", "--protocol", "smyc", cwd=tmp_path)
    assert wrong.returncode == 2
    assert "Did you mean 'smiyc'?" in wrong.stderr
    oodbench("evaluate", "r", cwd=tmp_path)
    for name, mark in {"markdown": "| MSP", "latex": r"\toprule", "csv": "network,method", "terminal": "MSP"}.items():
        assert mark in oodbench("report", "r", "--format", name, cwd=tmp_path).stdout
    verified = oodbench("verify", "r", cwd=tmp_path)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert verified.stdout.splitlines()[-1] == "r: 25 right, 0 wrong, 0 not checked ('the rest' is not counted)"
    drawn = oodbench("report", "r", "--format", "heatmaps", cwd=tmp_path).stdout.splitlines()
    assert [Path(line).name for line in drawn] == ["heatmaps-road-anomaly.png", "heatmaps-road-anomaly.pdf"]
    assert all((tmp_path / line).is_file() for line in drawn)


@pytest.mark.slow
def test_evaluate_scores_in_files(road_anomaly: Path, tmp_path: Path) -> None:
    for seed, path in enumerate(sorted((road_anomaly / "frames").glob("*.jpg"))):
        (tmp_path / "mine").mkdir(exist_ok=True)
        np.save(tmp_path / "mine" / f"{path.stem}.npy", np.random.default_rng(seed).random((24, 48)))
    given = ["evaluate", "--scores", "mine", "--benchmark", "road-anomaly", "--data", road_anomaly, "--out", "r"]
    silent = oodbench(*given, cwd=tmp_path)
    assert silent.returncode == 2
    assert "Give --anomalous higher or --anomalous lower" in silent.stderr
    done = oodbench(*given, "--anomalous", "lower", "--name", "my scorer", "--protocol", "smiyc", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "my scorer" in done.stdout
    assert "protocol smiyc" in done.stdout
    assert "my scorer: 3 of 3 score maps are smaller than their labels (48 x 24 for 96 x 48)" in done.stderr
    assert (tmp_path / "r" / "report" / "heatmaps-road-anomaly.png").is_file()
    again = oodbench("evaluate", "r", "--json", cwd=tmp_path)
    (row,) = results_of(json.loads(again.stdout))
    assert (row["label"], row["params"], row["protocol"]["name"]) == ("my scorer", {"anomalous": "lower"}, "smiyc")


@pytest.mark.slow
def test_submit_check_needs_no_run(tmp_path: Path) -> None:
    (tmp_path / "sent").mkdir()
    found = oodbench("submit", "fishyscapes", "sent", "--check", cwd=tmp_path)
    assert found.returncode == 2
    assert found.stdout == "sent: no file DDDD_anomaly.npy. Write two files per image.\nsent: 1 problem\n"
    np.save(tmp_path / "sent" / "0000_anomaly.npy", np.zeros((1024, 2048), np.float32))
    np.save(tmp_path / "sent" / "0000_segmentation.npy", np.zeros((1024, 2048), np.uint8))
    right = oodbench("submit", "--check", "fishyscapes", "sent", cwd=tmp_path)
    assert (right.returncode, right.stdout) == (0, "sent: no problems\n")
    for wrong, message in ((["sent"], "Give --out DIR"), (["sent", "--check", "--out", "x"], "writes nothing")):
        assert message in oodbench("submit", "fishyscapes", *wrong, cwd=tmp_path).stderr


@pytest.mark.slow
def test_predict_on_photographs(network_file: Path, cityscapes: Path, tmp_path: Path) -> None:
    path = save(tmp_path / "photos" / "street.png", photograph(1))
    options = ["--method", "energy", "--model", network_file, "--id-data", cityscapes, "--out", "seen"]
    done = oodbench("predict", path.parent, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert re.fullmatch(
        r"threshold -?[\d.]+: 5 % of in-distribution pixels score higher \(Cityscapes val, 2 frames\)", first
    )
    assert re.fullmatch(r" *\d+\.\d\d %  street", second)
    assert (tmp_path / "seen" / "heatmaps" / "street.png").is_file()


@pytest.mark.slow
def test_a_dry_run_prints_the_plan_and_writes_nothing(network_file: Path, data: Path, tmp_path: Path) -> None:
    done = oodbench("run", "--model", network_file, "--data", data, "--dry-run", cwd=tmp_path / "..")
    assert done.returncode == 0, done.stderr
    assert "road-anomaly: 3 frames, official layout" in done.stderr
    assert "warning: cityscapes train: 3 of 2975 frames" in done.stderr
    assert "scores: at most 1 MB in runs" in done.stderr
    assert not (tmp_path / ".." / "runs").exists()
    as_json = oodbench("run", "--model", network_file, "--data", data, "--dry-run", "--json", cwd=tmp_path)
    assert len(json.loads(as_json.stdout)["benchmarks"][0]["frames"]) == 3


@pytest.mark.slow
def test_data_roots_from_the_environment_and_the_config_file(network_file: Path, data: Path, tmp_path: Path) -> None:
    run = ["run", "--model", network_file, "--method", "msp", "--stop-after", "plan", "--dry-run"]
    assert oodbench(*run, cwd=tmp_path).returncode == 2
    assert oodbench(*run, cwd=tmp_path, OODBENCH_DATA=str(data)).returncode == 0
    config = tmp_path / "xdg" / "oodbench" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f'data = ["road-anomaly={data / "RoadAnomaly_jpg"}"]\nid_data = ["{data}"]\n')
    done = oodbench(*run, cwd=tmp_path, XDG_CONFIG_HOME=str(tmp_path / "xdg"))
    assert done.returncode == 0, done.stderr
    config.write_text("dat = []\n")
    wrong = oodbench(*run, cwd=tmp_path, XDG_CONFIG_HOME=str(tmp_path / "xdg"))
    assert wrong.returncode == 2
    assert "config.toml" in wrong.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--limit", "some"], "expected 1 or more frames, or 'all'"),
        (["run", "--method", "mps"], "Did you mean 'msp'?"),
        (["run", "--resume", "--overwrite"], "exclude each other"),
        (["run", "--until", "plan", "--stop-after", "plan"], "--until and --stop-after are the same option"),
        (["info", "method", "gmm"], "Did you mean 'gmmseg'?"),
        (["info", "metod", "msp"], "Did you mean 'method'?"),
        (["list", "metods"], "Did you mean 'methods'?"),
        (["report", "nowhere"], "no run in this folder"),
        (["evaluate"], "evaluate takes the folder of a run, or --scores DIR"),
        (["evaluate", "r", "--limit", "2"], "--limit requires --scores"),
        (["evaluate", "r", "--scores", "s", "--benchmark", "road-anomaly"], "not both"),
        (["evaluate", "--scores", "s"], "--scores without --benchmark"),
        (["evaluate", "--scores", "s", "--benchmark", "road-anomaly"], "0 --anomalous for 1 --scores"),
        (["evaluate", "--scores", "s", "--benchmark", "b", "--name", "x", "--name", "y"], "2 --name for 1 --scores"),
        (["predict", "nowhere"], "nowhere does not exist; expected an image or a folder of images"),
        (["run", "--plugin", "absent.py"], "no such plugin file"),
    ],
)
def test_user_errors_exit_with_2_without_a_traceback(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = oodbench(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_info_measures_a_model(network_file: Path, cityscapes: Path) -> None:
    done = oodbench("info", "model", network_file, "--id-data", cityscapes)
    assert done.returncode == 0, done.stderr
    for part in (
        "preprocessing",
        "divide_by",
        "penultimate",
        "cityscapes-19: road, sidewalk",
        "mIoU",
        "mean confidence",
    ):
        assert part in done.stdout


@pytest.mark.slow
def test_doctor_lists_data_and_problems(data: Path, tmp_path: Path) -> None:
    assert oodbench("doctor", "--data", data).returncode == 0
    next(data.rglob("obstacles03_cardboard.jpg")).write_bytes(b"no image")
    done = oodbench("doctor", "--data", data, "--data", tmp_path / "absent")
    assert done.returncode == 2
    assert "absent: WRONG: no such folder" in done.stdout
    assert "torch" in done.stdout
    assert "3 of 60 frames, official layout" in done.stdout
    assert "obstacles03_cardboard.jpg: not an intact image file" in done.stdout
    assert "cityscapes train" in done.stdout
    assert "fishyscapes-lost-and-found     not found" in done.stdout
    assert "lost-and-found@smiyc" in done.stdout
    assert "lost-and-found@rba" not in done.stdout


def test_a_plugin_is_listed(tmp_path: Path) -> None:
    plugin = tmp_path / "mine.py"
    plugin.write_text('PLUGINS = {"methods": {"mine": ("Mine", "a scorer of my own")}}\n')
    assert "a scorer of my own" in oodbench("list", "methods", "--plugin", plugin).stdout
    broken = oodbench("info", "method", "mine", "--plugin", plugin)
    assert broken.returncode == 2
    assert "'mine' can't be imported (AttributeError" in broken.stderr
    plugin.write_text('PLUGINS = {"methods": {"msp": ("Mine", "a second msp")}}\n')
    clash = oodbench("list", "methods", "--plugin", plugin)
    assert clash.returncode == 2
    assert "two methods are called 'msp'" in clash.stderr


@pytest.mark.slow
def test_an_interruption_prints_how_to_resume(network_file: Path, data: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "oodbench", "run", "--model", str(network_file), "--data", str(data), "--out", "r"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "r" / "plan.json").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate()
    assert process.returncode == 130, stderr
    assert stderr.endswith("interrupted: run the same command again to resume from the saved files\n")
    assert "Traceback" not in stderr
