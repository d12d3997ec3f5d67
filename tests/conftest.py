"""Shared fixtures and markers: a small ONNX network, small datasets in the official layouts, real data."""

from __future__ import annotations

import os
import re
import shutil
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from oodbench.numerics import summarise
from tests.helpers.files import (
    CARD,
    NO_LATEX,
    NO_NAMESPACES,
    NO_REAL_DATA,
    REAL,
    write_cityscapes,
    write_network,
    write_road_anomaly,
)

# A slow machine is not a failure.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


# Files that take a minute or more.
_LONGEST = (
    "test_real.py",
    "test_cli.py",
    "test_training_processes.py",
    "test_plugins_page.py",
    "test_seams.py",
    "test_tutorials.py",
)

# Fixture -> the marker of every test that uses it, directly or through another fixture.
_MARKERS_OF_FIXTURES = {"real": "real_data", "open_browser": "browser"}

# A test file that imports one of these needs MMSegmentation.
_IMPORTS_MMSEG = re.compile(
    r"^\s*(from|import) (mmseg|mmdet|mmcv|oodbench\.segmenters\.mmsegmentation\.(mask2former|decoders)"
    r"|tests\.helpers\.(architectures|mmseg_networks|small_recipe))\b"
    r"|\bimport_mmseg\b",
    re.MULTILINE,
)


def pytest_configure(config: pytest.Config) -> None:
    """Give each of several processes (-n), and what it starts, one core."""
    if config.getoption("numprocesses", default=None):
        os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


@pytest.hookimpl(tryfirst=True)  # before pytest selects by -m
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Add the markers that follow from fixtures and imports, and start the longest files first.

    With several processes, short files then fill the time next to the long ones.
    """
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in _MARKERS_OF_FIXTURES:
                item.add_marker(_MARKERS_OF_FIXTURES[fixture])
        if _imports_mmseg(item.path):
            item.add_marker("mmseg")
    items.sort(key=lambda item: _LONGEST.index(item.path.name) if item.path.name in _LONGEST else len(_LONGEST))


@cache
def _imports_mmseg(path: Path) -> bool:
    return _IMPORTS_MMSEG.search(path.read_text(encoding="utf-8")) is not None


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a CI run that skips a test: a dependency is missing. Real data, namespaces and LaTeX may be absent."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None:
        skipped = [
            report
            for report in reporter.stats.get("skipped", [])
            if not any(reason in str(report.longrepr) for reason in (NO_REAL_DATA, NO_NAMESPACES, NO_LATEX))
        ]
        if skipped:
            reporter.write_line(f"CI: {len(skipped)} tests were skipped", red=True)
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True)
def _own_user_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep every test away from the user's own cache and configuration."""
    folder = tmp_path_factory.mktemp("user")
    monkeypatch.setenv("OODBENCH_CACHE", str(folder / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    monkeypatch.delenv("OODBENCH_DATA", raising=False)


@pytest.fixture(scope="session", autouse=True)
def _compiled() -> None:
    """Compile the pass over the logits once, so that no single test waits for it."""
    import torch

    summarise(torch.zeros(2, 2, 2), (4, 4))


@pytest.fixture
def real() -> Path:
    """Return the folder of real networks and photographs that OODBENCH_REAL_DATA names."""
    if not (REAL / "models").is_dir():
        pytest.skip(f"{NO_REAL_DATA}: set OODBENCH_REAL_DATA to a folder with models/, RoadAnomaly_jpg/, cityscapes/")
    return REAL


@pytest.fixture
def road_anomaly(tmp_path: Path) -> Path:
    write_road_anomaly(tmp_path / "RoadAnomaly_jpg")
    return tmp_path / "RoadAnomaly_jpg"


@pytest.fixture
def cityscapes(tmp_path: Path) -> Path:
    write_cityscapes(tmp_path / "cityscapes")
    return tmp_path / "cityscapes"


@pytest.fixture(scope="session")
def network_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write an ONNX network with random weights and its card: logits and features at half the input's size."""
    path = tmp_path_factory.mktemp("network") / "tiny.onnx"
    write_network(path)
    path.with_suffix(".toml").write_text(CARD)
    return path


@pytest.fixture
def place(
    tmp_path: Path, network_file: Path, road_anomaly: Path, cityscapes: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Change to a folder with the files that the docs name: network.onnx, downloads/, cityscapes/."""
    here = tmp_path / "here"
    (here / "downloads").mkdir(parents=True)
    shutil.copy(network_file, here / "network.onnx")
    shutil.copy(network_file.with_suffix(".toml"), here / "network.toml")
    road_anomaly.rename(here / "downloads" / "RoadAnomaly_jpg")
    cityscapes.rename(here / "cityscapes")
    monkeypatch.chdir(here)
    return here
