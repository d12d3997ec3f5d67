"""The contracts of all benchmarks and datasets, in each of their layouts."""

from __future__ import annotations

from pathlib import Path

import pytest

from oodbench.contracts import Roots
from oodbench.registry import Registry
from oodbench.testing import BenchmarkContract, DatasetContract
from tests.helpers import layouts
from tests.helpers.every_layout import BENCHMARKS, DATASETS, Make, build_static

# Layouts that the same code reads as another one of these. test_broken_folders tests all of them.
SAME_LOADER = {
    ("road-anomaly", "synboost"),
    ("road-anomaly-21", "course-material"),
    ("road-obstacle-21", "course-material"),
    ("fishyscapes-lost-and-found", "rba"),
    ("fishyscapes-lost-and-found", "smiyc"),
    ("fishyscapes-lost-and-found", "course-material"),
    ("fishyscapes-static-unversioned", "synboost"),
    ("fishyscapes-static-unversioned", "flat"),
}
# The other members of each family. They are only opened here; separate tests check their rules.
OTHERS: dict[str, Make] = {
    **dict.fromkeys(["fishyscapes-static-v1"], build_static("v1")),
    "road-anomaly-21-all": layouts.write_anomaly_track,
    **dict.fromkeys(
        [
            f"road-obstacle-21-{part}"
            for part in (
                "all",
                "night",
                "snow",
                "curvy-street",
                "darkasphalt",
                "darkasphalt2",
                "gravel",
                "greyasphalt",
                "motorway",
                "one-way-street",
                "paving",
            )
        ],
        layouts.write_obstacle_track,
    ),
    **dict.fromkeys(
        [
            "lost-and-found@pebal",
            "lost-and-found@rba",
            "lost-and-found-no-known@smiyc",
            "lost-and-found-no-known@pebal",
            "lost-and-found-no-known@rba",
        ],
        layouts.write_lost_and_found,
    ),
    **dict.fromkeys(["street-hazards@caos", "street-hazards@densehybrid"], layouts.write_street_hazards_test),
}
SYNTHETIC = ("streets-anomaly", "streets-obstacles", "streets-static")


class TestBenchmarks(BenchmarkContract):
    @pytest.fixture(autouse=True, params=[key for key in BENCHMARKS if key not in SAME_LOADER], ids="-".join)
    def _each(self, request: pytest.FixtureRequest) -> None:
        self.name, self.layout = request.param

    def make(self, folder: Path) -> None:
        BENCHMARKS[self.name, self.layout](folder)


class TestSynthetic(BenchmarkContract):
    synthetic = True

    @pytest.fixture(autouse=True, params=SYNTHETIC)
    def _each(self, request: pytest.FixtureRequest) -> None:
        self.name = request.param


class TestStreets(DatasetContract):
    name = "streets-train"
    synthetic = True


class TestDatasets(DatasetContract):
    @pytest.fixture(autouse=True, params=DATASETS, ids="-".join)
    def _each(self, request: pytest.FixtureRequest) -> None:
        self.name, self.layout = request.param

    def make(self, folder: Path) -> None:
        DATASETS[self.name, self.layout](folder)


@pytest.mark.parametrize(("name", "make"), OTHERS.items())
def test_all_variants_of_each_family_open(tmp_path: Path, name: str, make: Make) -> None:
    make(tmp_path)
    benchmark = Registry().benchmark(name)
    found = benchmark.open(Roots((tmp_path,)))
    assert found.frames
    assert found.expected == (benchmark.card.frames or len(found.frames))
    assert all((frame.read_anomaly_labels is None) == benchmark.card.hidden for frame in found.frames)
    assert benchmark.card.variant_of in ("", *Registry().names("benchmarks"))


def test_every_benchmark_is_tested() -> None:
    registry = Registry()
    tested = {name for name, _ in BENCHMARKS} | set(OTHERS) | set(SYNTHETIC)
    assert registry.names("benchmarks") == sorted(tested)
    assert registry.names("datasets") == sorted({name for name, _ in DATASETS} | {"streets-train"})


def test_every_layout_is_tested() -> None:
    """Check all layouts except those shaped like Cityscapes, which the user has to name."""
    registry = Registry()
    for kind, tested in (("benchmarks", BENCHMARKS), ("datasets", DATASETS)):
        for name in {name for name, _ in tested}:
            known = set(registry.load(kind, name).card.layouts) - {"cityscapes"}
            ours = {layout for of, layout in tested if of == name} - {"rba"}
            family = name.split("-v")[0].split("-21")[0].split("@")[0]
            others = {layout for of, layout in tested if of.startswith(family)}
            assert known <= ours | others, name
