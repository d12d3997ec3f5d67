"""Each layout as a literal folder tree, and a copy with one error."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oodbench.contracts import Roots
from oodbench.errors import DataError, DataNotFoundError
from oodbench.registry import Registry
from oodbench.types import Frame, FrameSet
from tests.helpers.files import anomaly_label, photograph, save
from tests.helpers.layouts import write_anomaly_track, write_course_pack, write_fishyscapes, write_obstacle_track

REGISTRY = Registry()


def open_benchmark(name: str, *roots: Path, named: bool = False) -> FrameSet:
    return REGISTRY.benchmark(name).open(Roots((), {name: roots}) if named else Roots(roots))


def read_values(frame: Frame) -> set[int]:
    assert frame.read_anomaly_labels is not None
    return set(np.unique(frame.read_anomaly_labels().values).tolist())


@pytest.fixture
def anomaly_track(tmp_path: Path) -> Path:
    write_anomaly_track(tmp_path / "dataset_AnomalyTrack")
    return tmp_path / "dataset_AnomalyTrack"


@pytest.fixture
def obstacle_track(tmp_path: Path) -> Path:
    write_obstacle_track(tmp_path / "dataset_ObstacleTrack")
    return tmp_path / "dataset_ObstacleTrack"


@pytest.fixture
def course(tmp_path: Path) -> Path:
    write_course_pack(tmp_path / "Validation_Dataset")
    return tmp_path / "Validation_Dataset"


@pytest.fixture
def fishyscapes(tmp_path: Path) -> tuple[Path, Path]:
    labels, frames = tmp_path / "fishyscapes_lostandfound", tmp_path / "lostandfound"
    write_fishyscapes(labels, frames)
    return labels, frames


# Road Anomaly


def test_road_anomaly_official_layout(road_anomaly: Path) -> None:
    found = open_benchmark("road-anomaly", road_anomaly.parent)
    assert (found.layout, len(found.frames), found.expected) == ("official", 3, 60)
    assert found.frames[0].id == "animals01_Guiguinto_railway_station_Calves"
    assert read_values(found.frames[0]) == {0, 1}
    assert not list(road_anomaly.rglob("labels_instance.png"))


def test_road_anomaly_values_from_2_are_anomalous(road_anomaly: Path) -> None:
    label = road_anomaly / "frames" / "obstacles03_cardboard.labels" / "labels_semantic.png"
    save(label, np.array([[0, 2, 3, 200]] * 48, np.uint8))
    frame = open_benchmark("road-anomaly", road_anomaly).frames[1]
    assert frame.read_anomaly_labels is not None
    assert frame.read_anomaly_labels().values[0].tolist() == [0, 1, 1, 1]


def test_road_anomaly_with_ones_is_an_error(road_anomaly: Path) -> None:
    label = road_anomaly / "frames" / "obstacles03_cardboard.labels" / "labels_semantic.png"
    save(label, anomaly_label(0, anomaly=1, void=None))
    frame = open_benchmark("road-anomaly", road_anomaly).frames[1]
    with pytest.raises(DataError, match=r"label value 1 is not declared; expected 0, 2\.\.255"):
        read_values(frame)


def test_road_anomaly_without_a_label_is_an_error(road_anomaly: Path) -> None:
    shutil.rmtree(road_anomaly / "frames" / "obstacles03_cardboard.labels")
    with pytest.raises(DataError, match=r"1 of 3 frames have no label; the first is obstacles03_cardboard\.jpg"):
        open_benchmark("road-anomaly", road_anomaly)


def test_road_anomaly_without_a_listed_image_is_an_error(road_anomaly: Path) -> None:
    (road_anomaly / "frames" / "obstacles03_cardboard.jpg").unlink()
    with pytest.raises(DataError, match=r"missing, the first is obstacles03_cardboard\.jpg"):
        open_benchmark("road-anomaly", road_anomaly)


def test_road_anomaly_with_an_invalid_list_is_an_error(road_anomaly: Path) -> None:
    (road_anomaly / "frame_list.json").write_text('["animals01')
    with pytest.raises(DataError, match=r"frame_list\.json: not a JSON list"):
        open_benchmark("road-anomaly", road_anomaly)


def test_road_anomaly_course_layout(course: Path) -> None:
    found = open_benchmark("road-anomaly", course)
    assert (found.layout, [frame.id for frame in found.frames]) == ("course-material", ["0", "2", "10"])
    assert read_values(found.frames[0]) == {0, 1}


# SegmentMeIfYouCan


def test_road_anomaly_21_uses_only_the_validation_frames(anomaly_track: Path) -> None:
    found = open_benchmark("road-anomaly-21", anomaly_track.parent)
    assert (found.layout, len(found.frames), found.expected) == ("official", 10, 10)
    assert [frame.id for frame in found.frames][:2] == ["validation0000", "validation0001"]
    assert read_values(found.frames[0]) == {0, 1, 255}


def test_road_anomaly_21_without_a_label_is_an_error(anomaly_track: Path) -> None:
    (anomaly_track / "labels_masks" / "validation0004_labels_semantic.png").unlink()
    with pytest.raises(DataError, match=r"1 of 10 frames have no label; the first is validation0004\.jpg"):
        open_benchmark("road-anomaly-21", anomaly_track)


def test_road_obstacle_21_excludes_the_same_frames_as_the_toolkit(obstacle_track: Path) -> None:
    found = open_benchmark("road-obstacle-21", obstacle_track.parent)
    assert [frame.id for frame in found.frames] == ["validation_0", "validation_2", "validation_10"]


def test_the_tracks_are_not_confused(anomaly_track: Path, obstacle_track: Path) -> None:
    assert open_benchmark("road-anomaly-21", anomaly_track.parent).folder == anomaly_track
    assert open_benchmark("road-obstacle-21", anomaly_track.parent).folder == obstacle_track
    with pytest.raises(DataNotFoundError):
        open_benchmark("road-obstacle-21", anomaly_track)


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("road-anomaly-21", "RoadAnomaly21"),
        ("road-obstacle-21", "RoadObsticle21"),
        ("fishyscapes-lost-and-found", "FS_LostFound_full"),
    ],
)
def test_course_layouts_of_the_tracks(course: Path, name: str, folder: str) -> None:
    found = open_benchmark(name, course.parent)
    assert (found.layout, found.folder) == ("course-material", course / folder)
    assert [frame.id for frame in found.frames] == ["0", "2", "10"]
    assert found.frames[0].read_image().shape == (48, 96, 3)
    assert read_values(found.frames[0]) == {0, 1, 255}


def test_the_path_of_a_folder_does_not_matter(tmp_path: Path, course: Path) -> None:
    """A benchmark is recognised under a folder with the name of another benchmark."""
    inside = tmp_path / "LostAndFound_RoadAnomaly" / "RoadAnomaly21"
    shutil.copytree(course / "RoadAnomaly21", inside)
    found = open_benchmark("road-anomaly-21", inside.parent)
    assert read_values(found.frames[0]) == {0, 1, 255}
    with pytest.raises(DataNotFoundError):
        open_benchmark("road-anomaly", inside.parent)


def test_a_renamed_course_folder_must_be_named(tmp_path: Path, course: Path) -> None:
    renamed = (course / "RoadAnomaly21").rename(tmp_path / "my_copy")
    with pytest.raises(DataNotFoundError):
        open_benchmark("road-anomaly-21", renamed)
    assert len(open_benchmark("road-anomaly-21", renamed, named=True).frames) == 3


def test_two_files_with_one_name_are_an_error(course: Path) -> None:
    save(course / "RoadAnomaly21" / "images" / "2.jpg", photograph(0))
    with pytest.raises(DataError, match="have the same name"):
        open_benchmark("road-anomaly-21", course)


def test_two_copies_are_an_error(course: Path, anomaly_track: Path) -> None:
    with pytest.raises(DataError, match="found more than once") as error:
        open_benchmark("road-anomaly-21", course.parent)
    assert "--data road-anomaly-21=FOLDER" in str(error.value)


# Fishyscapes


def test_fishyscapes_uses_frames_of_train_and_test(fishyscapes: tuple[Path, Path]) -> None:
    for roots in (fishyscapes, (fishyscapes[0].parent,)):
        found = open_benchmark("fishyscapes-lost-and-found", *roots)
        assert (found.layout, len(found.frames), found.expected) == ("official", 2, 100)
        assert found.frames[1].id == "04_Maurener_Weg_8_000000_000030"
        assert found.frames[1].group == "04_Maurener_Weg_8"
        assert np.array_equal(found.frames[1].read_image(), photograph(1))


def test_fishyscapes_without_lost_and_found_is_an_error(fishyscapes: tuple[Path, Path]) -> None:
    with pytest.raises(DataError, match="its labels were found, but not the frames of Lost and Found"):
        open_benchmark("fishyscapes-lost-and-found", fishyscapes[0])


def test_fishyscapes_with_only_one_split_is_an_error(fishyscapes: tuple[Path, Path]) -> None:
    shutil.rmtree(fishyscapes[1] / "leftImg8bit" / "test")
    with pytest.raises(DataError, match="neither leftImg8bit/train nor leftImg8bit/test"):
        open_benchmark("fishyscapes-lost-and-found", *fishyscapes)


# Cityscapes


def test_cityscapes_maps_label_ids(cityscapes: Path) -> None:
    splits = REGISTRY.dataset("cityscapes").open(Roots((cityscapes.parent,)))
    assert {split: len(found.frames) for split, found in splits.items()} == {"train": 3, "val": 2}
    frame = splits["train"].frames[0]
    assert (frame.id, frame.group) == ("aachen_000000_000019", "aachen")
    assert frame.label_file is not None
    raw = np.asarray(Image.open(frame.label_file))
    assert frame.read_semantic_labels is not None
    mapped = frame.read_semantic_labels().values
    for value, index in {7: 0, 8: 1, 11: 2, 17: 5, 21: 8, 23: 10, 24: 11, 26: 13, 0: 255, 4: 255}.items():
        assert (mapped[raw == value] == index).all()


def test_cityscapes_with_train_ids_is_an_error(cityscapes: Path) -> None:
    path = next(cityscapes.rglob("aachen_000000_000019_gtFine_labelIds.png"))
    save(path, np.full((48, 96), 255, np.uint8))
    frame = REGISTRY.dataset("cityscapes").open(Roots((cityscapes,)))["train"].frames[0]
    assert frame.read_semantic_labels is not None
    with pytest.raises(DataError, match=r"label value 255 is not declared; expected 0\.\.33"):
        frame.read_semantic_labels()


def test_cityscapes_without_a_label_is_an_error(cityscapes: Path) -> None:
    next(cityscapes.rglob("bochum_000000_000313_gtFine_labelIds.png")).unlink()
    with pytest.raises(DataError, match="1 of 3 frames have no label"):
        REGISTRY.dataset("cityscapes").open(Roots((cityscapes,)))


# All benchmarks


def test_a_wrong_folder_is_an_error_with_the_layouts_and_the_source(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataNotFoundError, match=r"road-anomaly was not found in .*empty") as error:
        open_benchmark("road-anomaly", tmp_path / "empty")
    assert "labels_semantic.png" in error.value.problem
    assert "RoadAnomaly_jpg.zip" in str(error.value.remedy)
    with pytest.raises(DataError, match="does not exist"):
        open_benchmark("road-anomaly", tmp_path / "absent")
