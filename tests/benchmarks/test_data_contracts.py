"""The contracts of all benchmarks and datasets, in each layout that they know."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import write_cityscapes, write_road_anomaly
from layouts import write_anomaly_track, write_course_pack, write_fishyscapes, write_obstacle_track

from oodbench.registry import Registry
from oodbench.testing import BenchmarkContract, DatasetContract

OFFICIAL = {
    "road-anomaly": write_road_anomaly,
    "road-anomaly-21": write_anomaly_track,
    "road-obstacle-21": write_obstacle_track,
    "fishyscapes-lost-and-found": lambda folder: write_fishyscapes(folder / "labels", folder / "frames"),
}


DRAWN = ("streets-anomaly", "streets-obstacles", "streets-static")


class TestOfficialLayout(BenchmarkContract):
    @pytest.fixture(autouse=True, params=OFFICIAL)
    def _each(self, request: pytest.FixtureRequest) -> None:
        self.name = request.param

    def make(self, folder: Path) -> None:
        OFFICIAL[self.name](folder)


class TestCoursePack(BenchmarkContract):
    @pytest.fixture(autouse=True, params=OFFICIAL)
    def _each(self, request: pytest.FixtureRequest) -> None:
        self.name = request.param

    def make(self, folder: Path) -> None:
        write_course_pack(folder)


class TestDrawn(BenchmarkContract):
    drawn = True

    @pytest.fixture(autouse=True, params=DRAWN)
    def _each(self, request: pytest.FixtureRequest) -> None:
        self.name = request.param


class TestStreets(DatasetContract):
    name = "streets-train"
    drawn = True


class TestCityscapes(DatasetContract):
    name = "cityscapes"

    def make(self, folder: Path) -> None:
        write_cityscapes(folder)


def test_none_is_left_out() -> None:
    registry = Registry()
    assert registry.names("benchmarks") == sorted([*OFFICIAL, *DRAWN])
    assert registry.names("datasets") == ["cityscapes", "streets-train"]
