"""Fishyscapes in each circulating layout: equal labels in all of them, and known pitfalls."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from oodbench.contracts import Roots
from oodbench.data.overlays import read_overlays, write_frames
from oodbench.errors import DataError, DataNotFoundError
from tests.helpers import layouts
from tests.helpers.files import anomaly_label, photograph, save, write_cityscapes
from tests.helpers.reading import REGISTRY, labels, map_values, open_benchmark


def test_labels_with_a_region_of_interest_are_never_read(tmp_path: Path) -> None:
    layouts.write_synboost(tmp_path)
    found = open_benchmark("fishyscapes-lost-and-found", tmp_path)
    assert [frame.id for frame in found.frames] == ["image_0", "image_2", "image_10"]
    assert np.array_equal(labels(found.frames[0]), anomaly_label(0))
    for folder in tmp_path.glob("fishyscapes/*/labels"):
        shutil.rmtree(folder)
    with pytest.raises(DataNotFoundError):
        open_benchmark("fishyscapes-lost-and-found", tmp_path)


def test_ones_are_anomalies_only_in_the_synboost_copy_of_road_anomaly(tmp_path: Path) -> None:
    layouts.write_synboost(tmp_path)
    frame = open_benchmark("road-anomaly", tmp_path).frames[0]
    assert map_values(frame) == {0: {0}, 1: {1}}
    assert frame.label_file is not None
    save(frame.label_file, anomaly_label(0, anomaly=2, void=None))
    with pytest.raises(DataError, match=r"label value 2 is not declared; expected 0\.\.1"):
        labels(frame)


def test_void_is_2_in_the_densehybrid_copy(tmp_path: Path) -> None:
    layouts.write_fishyscapes_densehybrid(tmp_path)
    frame = open_benchmark("fishyscapes-lost-and-found", tmp_path).frames[0]
    assert map_values(frame) == {0: {0}, 1: {1}, 2: {255}}
    assert frame.label_file is not None
    save(frame.label_file, anomaly_label(0))
    with pytest.raises(DataError, match="label value 255 is not declared"):
        labels(frame)


def test_the_obstacle_variant_uses_the_labels_of_lost_and_found(tmp_path: Path) -> None:
    layouts.write_fishyscapes_obstacles(tmp_path)
    found = open_benchmark("fishyscapes-lost-and-found@obstacles", tmp_path)
    assert map_values(found.frames[0]) == {0: {255}, 1: {0}, 2: {1}, 37: {1}}
    shutil.rmtree(tmp_path / "lostandfound" / "gtCoarse" / "test")
    with pytest.raises(
        DataError, match="04_Maurener_Weg_8_000000_000030 is in neither gtCoarse/train nor gtCoarse/test"
    ):
        open_benchmark("fishyscapes-lost-and-found@obstacles", tmp_path)
    assert len(open_benchmark("fishyscapes-lost-and-found", tmp_path).frames) == 2


def test_the_obstacle_variant_excludes_the_two_frames_without_labels(tmp_path: Path) -> None:
    name = "01_Hanns_Klemm_Str_45_000001_000240"
    layouts.write_fishyscapes_obstacles(tmp_path)
    save(tmp_path / "fishyscapes_lostandfound" / f"0002_{name}_labels.png", anomaly_label(2))
    scene = tmp_path / "lostandfound" / "leftImg8bit" / "train" / name[:-14]
    save(scene / f"{name}_leftImg8bit.png", photograph(2))
    assert name not in [frame.id for frame in open_benchmark("fishyscapes-lost-and-found@obstacles", tmp_path).frames]
    assert name in [frame.id for frame in open_benchmark("fishyscapes-lost-and-found", tmp_path).frames]


def test_the_flat_copy_of_the_frames_is_incomplete(tmp_path: Path) -> None:
    layouts.write_fishyscapes_rba(tmp_path)
    next((tmp_path / "laf_images").glob("04_*")).unlink()
    with pytest.raises(DataError, match=r"04_Maurener_Weg_8_000000_000030_leftImg8bit\.png is not in .*laf_images"):
        open_benchmark("fishyscapes-lost-and-found", tmp_path)


@pytest.mark.parametrize(
    "write",
    [
        lambda folder: layouts.write_fishyscapes(folder / "labels", folder / "frames"),
        layouts.write_fishyscapes_rba,
        layouts.write_fishyscapes_toolkit,
        layouts.write_fishyscapes_densehybrid,
        lambda folder: layouts.write_cityscapes_shaped(folder, {name: name[:-14] for name in layouts.LAF_IDS}),
    ],
)
def test_the_same_frames_have_the_same_labels_in_every_layout(tmp_path: Path, write: layouts.Write) -> None:
    write(tmp_path)
    found = open_benchmark("fishyscapes-lost-and-found", tmp_path)
    assert [frame.id for frame in found.frames] == list(layouts.LAF_IDS)
    for seed, frame in enumerate(found.frames):
        assert np.array_equal(labels(frame), anomaly_label(seed))
        assert np.array_equal(frame.read_image(), photograph(seed))
        assert frame.group == frame.id[:-14]


def test_the_synboost_and_course_copies_have_the_same_labels(tmp_path: Path) -> None:
    layouts.write_synboost(tmp_path / "data_processed")
    layouts.write_course_pack(tmp_path / "Validation_Dataset")
    for name in ("fishyscapes-lost-and-found", "road-anomaly", "fishyscapes-static-unversioned"):
        one, other = (
            open_benchmark(name, tmp_path / "data_processed"),
            open_benchmark(name, tmp_path / "Validation_Dataset"),
        )
        for ours, theirs in zip(one.frames, other.frames, strict=True):
            assert np.array_equal(labels(ours), labels(theirs))
        with pytest.raises(DataError, match="found more than once"):
            open_benchmark(name, tmp_path / "data_processed", tmp_path / "Validation_Dataset")


def test_a_copy_with_ids_of_cityscapes_must_be_named(tmp_path: Path) -> None:
    names = {name: name.split("_")[0] for name in layouts.CITYSCAPES_IDS}
    layouts.write_cityscapes_shaped(tmp_path, names)
    static, lost = "fishyscapes-static-unversioned", "fishyscapes-lost-and-found"
    for name in (static, lost):
        with pytest.raises(DataNotFoundError):
            open_benchmark(name, tmp_path)
    with pytest.raises(DataNotFoundError):
        REGISTRY.dataset("cityscapes").open(Roots((tmp_path,)))
    found = open_benchmark(static, tmp_path, named=True)
    assert (found.layout, [frame.id for frame in found.frames]) == ("cityscapes", list(names))
    assert set(np.unique(labels(found.frames[0]))) == {0, 1, 255}
    assert "the version of this copy of Fishyscapes Static is unknown" in found.warnings[0]


@pytest.mark.parametrize("version", ["v1", "v2", "v3"])
def test_a_built_copy_has_the_version_of_its_overlays(tmp_path: Path, version: str) -> None:
    layouts.write_static_overlays(tmp_path / f"fs_val_{version}")
    write_cityscapes(tmp_path / "cityscapes")
    name = f"fishyscapes-static-{version}"
    with pytest.raises(DataError, match="which are built from Cityscapes") as error:
        open_benchmark(name, tmp_path)
    assert f"build-fishyscapes-static --overlays {tmp_path / f'fs_val_{version}'} --version {version}" in str(
        error.value
    )
    write_frames(read_overlays(tmp_path / f"fs_val_{version}", version), tmp_path / "cityscapes", tmp_path / "out")
    assert (open_benchmark(name, tmp_path).layout, open_benchmark(name, tmp_path).warnings) == ("built", ())
    for other in {"v1", "v2", "v3", "unversioned"} - {version}:
        with pytest.raises(DataNotFoundError):
            open_benchmark(f"fishyscapes-static-{other}", tmp_path)


def test_a_copy_without_a_version_causes_a_warning(tmp_path: Path) -> None:
    layouts.write_static_flat(tmp_path / "static")
    (warning,) = open_benchmark("fishyscapes-static-unversioned", tmp_path).warnings
    assert "its numbers are not comparable with those of other copies" in warning
    with pytest.raises(DataNotFoundError):
        open_benchmark("fishyscapes-static-v3", tmp_path)
    assert open_benchmark("fishyscapes-static-v3", tmp_path / "static", named=True).layout == "flat"


def test_a_static_image_without_a_label_is_an_error(tmp_path: Path) -> None:
    layouts.write_static_flat(tmp_path / "fs_val_v1")
    next(tmp_path.rglob("0001_*_labels.png")).unlink()
    with pytest.raises(DataError, match="1 of 2 frames have no label"):
        open_benchmark("fishyscapes-static-v1", tmp_path)
