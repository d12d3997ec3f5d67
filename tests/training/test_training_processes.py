"""Trainings in separate processes: killed, shared by two devices, started by a launcher."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from oodbench.cli.main import main
from oodbench.errors import RunFolderError
from tests.helpers.bundled_recipe import read_log
from tests.helpers.small_recipe import QUIET, make_command, run_recipe, weights_equal, write_recipe

pytestmark = QUIET


@pytest.fixture
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Use one thread in this process and in its children. The number of threads changes the last bits of sums."""
    before = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_a_killed_training_resumes_from_the_command_line(tmp_path: Path) -> None:
    whole = run_recipe(write_recipe(tmp_path), tmp_path / "whole")
    out = tmp_path / "killed"
    process = subprocess.Popen(
        make_command(write_recipe(tmp_path), out), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not (out / "checkpoint.pt").is_file() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert torch.load(out / "checkpoint.pt", weights_only=True)["iteration"] < 6, "it was killed before its end"
    done = subprocess.run(
        make_command(write_recipe(tmp_path), out, "--resume"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("killed/small.py")
    assert weights_equal(whole, out / "small.py")


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("more", [(), ("--devices", "2", "--device", "cpu")])
def test_a_stop_signal_ends_a_training_with_75(tmp_path: Path, more: tuple[str, ...]) -> None:
    out = tmp_path / "stopped"
    recipe = write_recipe(tmp_path)
    recipe.write_text(recipe.read_text().replace("iterations = { value = 6,", "iterations = { value = 200,"))
    command = make_command(recipe, out, *more)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    while not (out / "checkpoint.pt").is_file():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGUSR1)
    _, error = process.communicate(timeout=300)
    assert process.returncode == 75, error
    assert error.count("error: stopped after a batch, as requested") == 1
    assert "Traceback" not in error
    steps = torch.load(out / "checkpoint.pt", weights_only=True)["iteration"]
    assert 0 < steps < 200


def run_on_two_devices(path: Path, out: Path) -> subprocess.CompletedProcess[str]:
    command = make_command(path, out, "--devices", "2", "--device", "cpu")
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.usefixtures("one_thread")
def test_two_devices_share_the_steps_and_an_error_in_one_stops_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "two"
    done = run_on_two_devices(write_recipe(tmp_path), out)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert read_log(out)[-1]["iteration"] == 6
    states = torch.load(out / "checkpoint.pt", weights_only=True)["random"]
    assert len(states) == 2
    assert not torch.equal(states[0]["cpu"], states[1]["cpu"])
    with pytest.raises(RunFolderError, match="it was trained on 2 devices, and now there are 1"):
        run_recipe(write_recipe(tmp_path), out)
    assert not done.stderr.count("Warning")
    monkeypatch.setenv("TORN_ON_RANK", "1")
    broken = run_on_two_devices(write_recipe(tmp_path), tmp_path / "parts")
    assert broken.returncode == 2, broken.stderr
    assert broken.stderr.count("error:") == 1
    assert "error: process 1 of 2: the third frame: torn" in broken.stderr
    assert "Traceback" not in broken.stderr
    assert torch.load(tmp_path / "parts" / "checkpoint.pt", weights_only=True)["iteration"] < 6
    monkeypatch.delenv("TORN_ON_RANK")
    resumed = run_on_two_devices(write_recipe(tmp_path), tmp_path / "parts")
    assert resumed.returncode == 0, resumed.stderr
    assert weights_equal(out / "small.py", tmp_path / "parts" / "small.py")


@pytest.mark.parametrize("more", [("--launcher", "pytorch"), ("--launcher", "slurm"), ("--devices", "3")])
def test_missing_launchers_and_uneven_shares_are_errors(
    more: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        sys, "argv", make_command(write_recipe(tmp_path), tmp_path / "out", "--device", "cpu", *more)[2:]
    )
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "is not set, so it started no process" in said or "which 3 devices can't share evenly" in said
    assert not (tmp_path / "out").exists()
