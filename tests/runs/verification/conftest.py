"""One run on small data, which each test gets as a copy to change."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from oodbench.runs.verify import verify
from tests.helpers.fake_benchmarks import small_run
from tests.helpers.files import write_cityscapes, write_road_anomaly

Find = Callable[..., dict[str, str]]


@pytest.fixture(scope="package")
def finished(network_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run MSP and kNN under a protocol with components and one with breakdowns, and write the tables."""
    folder = tmp_path_factory.mktemp("verified")
    write_road_anomaly(folder / "RoadAnomaly_jpg")
    write_cityscapes(folder / "cityscapes")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OODBENCH_CACHE", str(folder / "cache"))
        small_run(
            network_file, folder / "RoadAnomaly_jpg", folder / "run", methods=["msp", "knn:k=2"],
            id_data=[folder / "cityscapes"], protocols=["smiyc", "pooled"], stop_after="report",
        )  # fmt: skip
    return folder / "run"


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


@pytest.fixture
def find(run: Path) -> Find:
    """Return a function that verifies the copy and returns the findings of one verdict."""

    def find_checks(verdict: str, recompute: int = 0) -> dict[str, str]:
        checks = verify(run, recompute=recompute, seed=7)
        return {check.what: check.said for check in checks if check.verdict == verdict}

    return find_checks
