"""Options of executors, and what happens without Ray."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from oodbench.errors import MissingExtraError, UsageError
from oodbench.planning.request import Request
from tests.helpers.fake_benchmarks import small_run


def test_options_of_ray_alone() -> None:
    with pytest.raises(UsageError, match="--gpus-per-worker is an option of --executor ray"):
        Request.of(gpus_per_worker=0.5)


def test_ray_is_not_installed(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match="--executor ray needs libraries that are not installed"):
        small_run(place / "network.onnx", place / "downloads", place / "out", methods=["msp"], executor="ray")


def test_threads_of_the_serial_executor(place: Path) -> None:
    run = small_run(place / "network.onnx", place / "downloads", place / "out", methods=["msp"], threads=3)
    assert [row.environment["threads"] for row in run.results] == ["3"]
