"""The number of threads is the user's."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import pytest
import torch

from oodbench import threads
from oodbench.environment import describe_environment
from oodbench.threads import count_cores, count_threads, limit_threads, open_pool

PROGRAM = """
import torch
torch.set_num_threads(1)
import oodbench, numba
from oodbench.numerics import summarise
own = numba.get_num_threads()
torch.set_num_threads(1)
summarise(torch.zeros(19, 8, 8), (64, 64))
print(torch.get_num_threads(), numba.get_num_threads() == own)
"""


def test_compiled_loops_leave_the_threads_of_torch_and_numba() -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "2", "NUMBA_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "True"]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Set up a machine with 8 usable cores and without control groups, and return the folder of its control groups."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(threads, "_OWN_GROUPS", tmp_path / "own")
    monkeypatch.setattr(threads, "_ALL_GROUPS", tmp_path / "groups")
    return tmp_path / "groups"


def test_affinity_limits_the_threads(machine: Path) -> None:
    assert count_threads() == count_cores() == 8


def test_all_cores_count_on_a_system_without_affinity(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    assert count_threads() == 64


@pytest.mark.parametrize(
    ("value", "count"), [("3", 3), ("2,1", 2), ("12", 12), ("", 8), ("0", 8), ("-1", 8), ("all", 8), ("²", 8)]
)
def test_omp_num_threads_decides_if_it_is_valid(
    machine: Path, monkeypatch: pytest.MonkeyPatch, value: str, count: int
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert count_threads() == count
    assert count_cores() == 8


@pytest.mark.parametrize(
    ("quota", "count"),
    [("200000 100000", 2), ("150000 100000", 2), ("10000 100000", 1), ("max 100000", 8), ("1600000 100000", 8)],
)
def test_the_quota_of_a_control_group_limits_the_threads(machine: Path, quota: str, count: int) -> None:
    (machine / "job" / "step").mkdir(parents=True)
    (machine / "job" / "cpu.max").write_text(quota + "\n")
    machine.with_name("own").write_text("0::/job/step\n")
    assert count_threads() == count


@pytest.mark.parametrize("folder", ["cpu/docker/1", "cpu"])
def test_quotas_of_the_first_version_of_control_groups_count(machine: Path, folder: str) -> None:
    """A container has its own group as the root, and the name that the group has outside."""
    (machine / folder).mkdir(parents=True)
    (machine / folder / "cpu.cfs_quota_us").write_text("300000\n")
    (machine / folder / "cpu.cfs_period_us").write_text("100000\n")
    machine.with_name("own").write_text("5:memory:/docker/1\n4:cpu,cpuacct:/docker/1\n1:name=systemd:/\n0::/\n")
    assert count_threads() == 3
    (machine / folder / "cpu.cfs_quota_us").write_text("-1\n")
    assert count_threads() == 8


def test_a_run_limits_torch_and_opencv_and_restores_them(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads(), cv2.getNumThreads()
    try:
        torch.set_num_threads(2)
        cv2.setNumThreads(2)
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        assert describe_environment("cpu")["threads"] == "1"
        with limit_threads():
            assert (torch.get_num_threads(), cv2.getNumThreads()) == (1, 1)
        assert (torch.get_num_threads(), cv2.getNumThreads()) == (2, 2)
        monkeypatch.setenv("OMP_NUM_THREADS", "8")
        with limit_threads():
            assert (torch.get_num_threads(), cv2.getNumThreads()) == (2, 2)
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


def test_a_pool_drops_its_queue_when_its_block_fails() -> None:
    started, release = [], threading.Event()

    def task(number: int) -> None:
        started.append(number)
        release.wait(10)

    def interrupted() -> None:
        with open_pool(1) as pool:
            for number in range(100):
                pool.submit(task, number)
            release.set()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(started) < 100
