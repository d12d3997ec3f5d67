"""The contracts of all benchmarks and datasets, in each of their layouts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from oodbench.blending import write_blends
from oodbench.contracts import Roots
from oodbench.data import open_photographs
from oodbench.data.overlays import read_overlays, write_frames
from oodbench.registry import Registry
from oodbench.testing import BenchmarkContract, DatasetContract
from tests.helpers import layouts
from tests.helpers.files import photograph, save, write_cityscapes, write_road_anomaly

Make = Callable[[Path], None]


def _make_builder(version: str) -> Make:
    """Build the benchmark like the command does. Another test checks the pixels."""

    def make(folder: Path) -> None:
        layouts.write_static_overlays(folder / "overlays")
        write_cityscapes(folder / "cityscapes")
        write_frames(read_overlays(folder / "overlays", version), folder / "cityscapes", folder / "built")

    return make


def _write_blend(folder: Path) -> None:
    """Blend anomalies into plain frames like the command does."""
    for index in range(2):
        save(folder / "frames" / f"{index}.png", photograph(index, (64, 128)))
    write_blends(open_photographs(folder / "frames").frames, folder / "blended", 2, 0)


def _write_below(name: str, write: Make) -> Make:
    return lambda folder: write(folder / name)


# Benchmark and layout: one member represents all of its family that differ only in a rule or a pattern.
BENCHMARKS: dict[tuple[str, str], Make] = {
    ("road-anomaly", "official"): write_road_anomaly,
    ("road-anomaly", "course-material"): layouts.write_course_pack,
    ("road-anomaly", "synboost"): layouts.write_synboost,
    ("road-anomaly-21", "official"): layouts.write_anomaly_track,
    ("road-anomaly-21", "course-material"): layouts.write_course_pack,
    ("road-obstacle-21", "official"): layouts.write_obstacle_track,
    ("road-obstacle-21", "course-material"): layouts.write_course_pack,
    ("road-anomaly-21-test", "official"): layouts.write_anomaly_track,
    ("road-obstacle-21-test", "official"): layouts.write_obstacle_track,
    ("fishyscapes-lost-and-found", "official"): lambda folder: layouts.write_fishyscapes(
        folder / "labels", folder / "frames"
    ),
    ("fishyscapes-lost-and-found", "rba"): layouts.write_fishyscapes_rba,
    ("fishyscapes-lost-and-found", "smiyc"): layouts.write_fishyscapes_toolkit,
    ("fishyscapes-lost-and-found", "synboost"): lambda folder: layouts.write_synboost(folder),
    ("fishyscapes-lost-and-found", "course-material"): layouts.write_course_pack,
    ("fishyscapes-lost-and-found", "densehybrid"): layouts.write_fishyscapes_densehybrid,
    ("fishyscapes-lost-and-found@obstacles", "official"): layouts.write_fishyscapes_obstacles,
    ("fishyscapes-static-v3", "built"): _make_builder("v3"),
    ("fishyscapes-static-v2", "flat"): _write_below("fs_val_v2", layouts.write_static_flat),
    ("fishyscapes-static-unversioned", "synboost"): layouts.write_synboost,
    ("fishyscapes-static-unversioned", "course-material"): layouts.write_course_pack,
    ("fishyscapes-static-unversioned", "densehybrid"): lambda folder: layouts.write_static_flat(folder, "jpg"),
    ("fishyscapes-static-unversioned", "flat"): layouts.write_static_flat,
    ("lost-and-found@smiyc", "official"): layouts.write_lost_and_found,
    ("street-hazards@mask2anomaly", "official"): layouts.write_street_hazards_test,
    ("synthetic-blend", "blended"): _write_blend,
}
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
    **dict.fromkeys(["fishyscapes-static-v1"], _make_builder("v1")),
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

DATASETS: dict[tuple[str, str], Make] = {
    ("cityscapes", "official"): write_cityscapes,
    ("street-hazards", "official"): _write_below("train", layouts.write_street_hazards_train),
    ("ade20k", "official"): layouts.write_ade20k,
    ("coco-stuff", "official"): layouts.write_coco_stuff,
    ("coco-stuff", "mmsegmentation"): lambda folder: layouts.write_coco_stuff(folder, "annotations", "_labelTrainIds"),
    ("labelled-folder", "splits"): layouts.write_labelled_folder,
    ("labelled-folder", "flat"): lambda folder: layouts.write_labelled_folder(folder, (".",)),
}


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
