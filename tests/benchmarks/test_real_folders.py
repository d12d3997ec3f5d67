"""Real copies, if available: their frames, and equal labels in two layouts of one benchmark."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from oodbench.contracts import Roots
from oodbench.data.known_copies.table import describe_equality, list_known_copies
from oodbench.planning.frame_index import index_frames
from oodbench.progress import Silent
from tests.helpers.reading import REGISTRY, labels, open_benchmark


@pytest.mark.parametrize(
    ("name", "layout", "first", "last", "count"),
    [
        ("road-anomaly", "official", "animals01_Guiguinto_railway_station_Calves", "vehicle03_Fuhrwerke_in_China", 60),
        ("road-anomaly-21", "course-material", "0", "9", 10),
        ("road-obstacle-21", "course-material", "0", "25", 6),
    ],
)
def test_real_benchmarks_have_the_recorded_frames(
    real: Path, name: str, layout: str, first: str, last: str, count: int
) -> None:
    found = open_benchmark(name, real)
    assert (found.layout, len(found.frames)) == (layout, count)
    assert (found.frames[0].id, found.frames[-1].id) == (first, last)


@pytest.mark.parametrize(("name", "count"), [("road-anomaly", 60), ("road-anomaly-21", 10), ("road-obstacle-21", 6)])
def test_real_benchmarks_equal_a_known_copy(real: Path, name: str, count: int) -> None:
    records = index_frames(open_benchmark(name, real).frames, name, Silent(), cached=False)
    text = describe_equality(list_known_copies(name), {record.id: record.digest for record in records})
    assert text.startswith(f"{count} of {count} frames equal the copy in course material (https://github.com/Lorkenzo/")


def test_real_datasets_have_the_recorded_splits(real: Path) -> None:
    splits = REGISTRY.dataset("cityscapes").open(Roots((real,)))
    assert {split: len(part.frames) for split, part in splits.items()} == {"train": 5, "val": 1}


def test_two_layouts_of_real_frames_have_the_same_labels(real: Path, tmp_path: Path) -> None:
    official = open_benchmark("road-anomaly", real).frames[::12]
    for part in ("images", "labels_masks"):
        (tmp_path / "RoadAnomaly" / part).mkdir(parents=True)
    for index, frame in enumerate(official):
        assert frame.image_file is not None
        assert frame.label_file is not None
        (tmp_path / "RoadAnomaly" / "images" / f"{index}.png").symlink_to(frame.image_file)
        (tmp_path / "RoadAnomaly" / "labels_masks" / f"{index}.png").symlink_to(frame.label_file)
    course = open_benchmark("road-anomaly", tmp_path)
    assert course.layout == "course-material"
    for ours, theirs in zip(official, course.frames, strict=True):
        assert np.array_equal(labels(ours), labels(theirs))
        assert np.array_equal(ours.read_image(), theirs.read_image())
