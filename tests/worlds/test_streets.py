"""The synthetic world, compared with its record and with the targets of its regimes."""

from __future__ import annotations

import json

import numpy as np
import pytest

from oodbench.contracts import Roots
from oodbench.registry import Registry
from oodbench.types import ANOMALY, IN_DISTRIBUTION, VOID
from oodbench.worlds import ANOMALIES, OUTLIERS, SEED, SIZE, SPLITS, VERSION, render_frame
from oodbench.worlds.dice import Dice
from tools.record_world import FILE, compute_block_means, digest_labels, measure_statistics

RECORD = json.loads(FILE.read_text())
LABELLED = [split for split in SPLITS if SPLITS[split].statistics]


@pytest.mark.parametrize("split", SPLITS)
def test_labels_equal_the_record(split: str) -> None:
    assert (RECORD["version"], RECORD["seed"]) == (VERSION, SEED)
    expected = RECORD["labels"][split]
    assert [digest_labels(split, index) for index in range(len(expected))] == expected


@pytest.mark.parametrize("split", SPLITS)
def test_images_equal_the_record_within_one_grey_level(split: str) -> None:
    assert np.abs(np.array(compute_block_means(split, 1)) - np.array(RECORD["images"][split])).max() < 0.5


def test_a_frame_depends_only_on_split_and_index() -> None:
    first = render_frame("static", 7)
    render_frame("train", 3)
    again = render_frame("static", 7)
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.semantic, again.semantic)
    assert not np.array_equal(first.semantic, render_frame("static", 8).semantic)


@pytest.mark.parametrize("split", SPLITS)
def test_labels_contain_only_classes_void_and_anomalies_of_the_split(split: str) -> None:
    for index in range(4):
        drawing = render_frame(split, index)
        assert drawing.image.shape == (*SIZE, 3)
        assert drawing.image.dtype == np.uint8
        assert set(np.unique(drawing.semantic)) <= {*range(19), VOID}
        assert set(np.unique(drawing.anomaly)) <= {IN_DISTRIBUTION, ANOMALY, VOID}
        assert (drawing.semantic[drawing.anomaly == ANOMALY] == VOID).all()
        assert (drawing.semantic[drawing.anomaly == IN_DISTRIBUTION] != VOID).all()
        if split not in LABELLED:
            assert (drawing.anomaly != ANOMALY).all()


def test_the_families_of_objects_are_disjoint() -> None:
    assert not set(ANOMALIES) & set(OUTLIERS)
    made = {name: make(Dice(1)).kind for name, make in {**ANOMALIES, **OUTLIERS}.items()}
    assert made == {name: name for name in made}


@pytest.mark.parametrize("make", [*ANOMALIES.values(), *OUTLIERS.values()])
def test_objects_fill_their_box_as_declared(make) -> None:  # type: ignore[no-untyped-def]
    from oodbench.worlds.canvas import Canvas

    shares = []
    for seed in range(12):
        picture = make(Dice(seed))
        canvas = Canvas((200, 200))
        picture.paint(canvas, 50, 50, 100, 100, 10.0)
        shares.append(canvas.anomalous().mean() * 4 / picture.fill)
    assert 0.75 < np.mean(shares) < 1.25


@pytest.mark.slow
@pytest.mark.parametrize("split", LABELLED)
def test_the_anomalous_share_is_close_to_the_target(split: str) -> None:
    aimed = {"obstacles": (0.28, 0.47), "static": (1.37, 0.64), "anomaly": (9.85, 0.66)}[split]
    whole = RECORD["statistics"][split]
    assert whole["frames"] == SPLITS[split].frames
    assert 0.6 * aimed[0] < whole["share of valid pixels, %"] < 1.6 * aimed[0]
    assert abs(whole["height, 5/50/95"][1] - aimed[1]) < 0.08
    some = measure_statistics(split, 16)
    assert some["without anomaly"] < 12


def test_frames_out_of_range_are_an_error() -> None:
    with pytest.raises(IndexError, match="has the frames 0 to 299"):
        render_frame("val", 300)


@pytest.mark.parametrize("name", ["streets-obstacles", "streets-static", "streets-anomaly"])
def test_the_benchmarks_need_no_folder(name: str) -> None:
    found = Registry().benchmark(name).open(Roots())
    assert len(found.frames) == found.expected == 250
    frame = found.frames[2]
    assert frame.read_size() == SIZE
    assert frame.read_anomaly_labels is not None
    assert frame.read_anomaly_labels().values.shape == SIZE
    assert frame.read_image().shape == (*SIZE, 3)


def test_the_dataset_has_two_splits() -> None:
    splits = Registry().dataset("streets-train").open(Roots())
    assert {name: len(found.frames) for name, found in splits.items()} == {"train": 2000, "val": 300}
    assert splits["val"].frames[0].read_anomaly_labels is None
