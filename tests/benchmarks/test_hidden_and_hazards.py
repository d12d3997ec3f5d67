"""Hidden labels of SegmentMeIfYouCan, and the label rules of StreetHazards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oodbench.errors import DataError, DataNotFoundError
from tests.helpers import layouts
from tests.helpers.files import save
from tests.helpers.reading import labels, map_values, open_benchmark


def test_placeholders_of_secret_labels_are_never_read(tmp_path: Path) -> None:
    layouts.write_anomaly_track(tmp_path)
    for ending in ("_labels_semantic.png", "_labels_semantic_fake.png"):
        save(tmp_path / "labels_masks" / f"cow0003{ending}", np.zeros((48, 96), np.uint8))
    test = open_benchmark("road-anomaly-21-test", tmp_path)
    assert [frame.id for frame in test.frames] == ["boat_trailer0001", "cow0003"]
    assert [frame.group for frame in test.frames] == ["boat_trailer", "cow"]
    assert all(frame.read_anomaly_labels is None and frame.label_file is None for frame in test.frames)
    assert len(open_benchmark("road-anomaly-21", tmp_path).frames) == 10
    assert len(open_benchmark("road-anomaly-21-all", tmp_path).frames) == 12


def test_the_obstacle_track_by_weather_and_scene(tmp_path: Path) -> None:
    layouts.write_obstacle_track(tmp_path)
    parts = {
        part: open_benchmark(f"road-obstacle-21-{part}", tmp_path)
        for part in ("test", "night", "snow", "all", "darkasphalt")
    }
    assert {part: len(found.frames) for part, found in parts.items()} == {
        "test": 16,
        "night": 2,
        "snow": 2,
        "all": 23,
        "darkasphalt": 2,
    }
    assert {part: found.expected for part, found in parts.items()} == {
        "test": 327,
        "night": 30,
        "snow": 55,
        "all": 442,
        "darkasphalt": 2,
    }
    assert [frame.id for frame in parts["snow"].frames] == ["snowstorm1_00_16_02.578", "snowstorm2_00_02_32.753"]
    assert {frame.group for frame in parts["darkasphalt"].frames} == {"darkasphalt"}


def test_other_image_folders_are_not_recognised_as_hidden_tracks(tmp_path: Path) -> None:
    layouts.write_course_pack(tmp_path)
    for name in ("road-anomaly-21-test", "road-obstacle-21-test", "road-obstacle-21-night"):
        with pytest.raises(DataNotFoundError):
            open_benchmark(name, tmp_path)


@pytest.mark.parametrize(
    ("name", "void"),
    [("street-hazards@caos", set()), ("street-hazards@densehybrid", {4}), ("street-hazards@mask2anomaly", {1, 4})],
)
def test_label_rules_of_street_hazards(tmp_path: Path, name: str, void: set[int]) -> None:
    layouts.write_street_hazards_test(tmp_path)
    found = open_benchmark(name, tmp_path)
    assert [frame.id for frame in found.frames] == ["t5/100", "t5/101", "t6/100"]
    expected = {value: {255} if value in void else {1} if value == 14 else {0} for value in range(1, 15)}
    read = map_values(found.frames[0])
    assert read == {value: expected[value] for value in read}
    assert {1, 4, 14} <= set(read)


def test_modified_labels_of_street_hazards_are_errors(tmp_path: Path) -> None:
    layouts.write_street_hazards_test(tmp_path)
    frame = open_benchmark("street-hazards@caos", tmp_path).frames[0]
    assert frame.label_file is not None
    save(frame.label_file, np.asarray(Image.open(frame.label_file)) - 1)
    with pytest.raises(DataError, match=r"label value 0 is not declared; expected 1\.\.14") as error:
        labels(frame)
    assert "A copy with 0 to 13 was modified" in str(error.value)
