"""Default choice of a run: the usual variants, and the dataset with the right classes."""

from __future__ import annotations

from pathlib import Path

import pytest

from oodbench.class_sets import CLASS_SETS
from oodbench.contracts import Roots
from oodbench.errors import DataError, DataNotFoundError, UsageError
from oodbench.planning.request import Request
from oodbench.planning.resolve import find_benchmarks, find_in_distribution
from oodbench.registry import Registry
from oodbench.types import CITYSCAPES_19
from tests.helpers import layouts
from tests.helpers.files import write_cityscapes

REGISTRY = Registry()


def choose_benchmarks(roots: Roots, *benchmarks: str) -> list[str]:
    return list(find_benchmarks(Request(benchmarks=benchmarks), REGISTRY, roots, ""))


def choose_in_distribution(roots: Roots) -> tuple[str, str, str]:
    fit, calibrate = find_in_distribution(REGISTRY, roots, CITYSCAPES_19)
    return fit.name, fit.split, calibrate.split


def test_variants_run_only_if_they_are_named(tmp_path: Path) -> None:
    layouts.write_lost_and_found(tmp_path / "laf")
    layouts.write_anomaly_track(tmp_path / "dataset_AnomalyTrack")
    layouts.write_street_hazards_test(tmp_path / "test")
    roots = Roots((tmp_path,))
    assert choose_benchmarks(roots) == ["lost-and-found@smiyc", "road-anomaly-21", "street-hazards@caos"]
    assert choose_benchmarks(roots, "lost-and-found@rba", "road-anomaly-21-test") == [
        "lost-and-found@rba",
        "road-anomaly-21-test",
    ]
    named = Roots((), {"road-anomaly-21-test": (tmp_path / "dataset_AnomalyTrack",)})
    assert choose_benchmarks(named) == ["road-anomaly-21-test"]


def test_only_requested_benchmarks_are_reported_missing(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError) as error:
        choose_benchmarks(Roots((tmp_path,)))
    assert "lost-and-found@smiyc" in error.value.problem
    assert "lost-and-found@rba" not in error.value.problem


def test_two_datasets_with_the_same_classes_are_an_error(tmp_path: Path) -> None:
    write_cityscapes(tmp_path / "cityscapes")
    layouts.write_labelled_folder(tmp_path / "mine")
    assert choose_in_distribution(Roots((tmp_path / "cityscapes",))) == ("cityscapes", "train", "val")
    assert choose_in_distribution(Roots((tmp_path / "mine",))) == ("labelled-folder", "train", "val")
    with pytest.raises(UsageError, match="several datasets with the classes cityscapes-19 were found") as error:
        choose_in_distribution(Roots((tmp_path,)))
    assert f"cityscapes in {tmp_path / 'cityscapes'}, labelled-folder in {tmp_path / 'mine'}" in str(error.value)
    assert "--id-data cityscapes=DIR" in str(error.value)
    named = Roots((tmp_path,), {"labelled-folder": (tmp_path / "mine",)})
    assert choose_in_distribution(named) == ("labelled-folder", "train", "val")


def test_datasets_with_other_classes_are_ignored(tmp_path: Path) -> None:
    write_cityscapes(tmp_path / "cityscapes")
    layouts.write_ade20k(tmp_path / "ADEChallengeData2016")
    layouts.write_coco_stuff(tmp_path / "coco")
    layouts.write_street_hazards_train(tmp_path / "train")
    for name, classes in {
        "cityscapes": "cityscapes-19",
        "ade20k": "ade20k-150",
        "coco-stuff": "coco-stuff-171",
        "street-hazards": "street-hazards-13",
    }.items():
        fit, _ = find_in_distribution(REGISTRY, Roots((tmp_path,)), CLASS_SETS[classes])
        assert fit.name == name


def test_a_folder_without_splits_calibrates_on_every_fifth_frame(tmp_path: Path) -> None:
    layouts.write_labelled_folder(tmp_path, (".",))
    assert choose_in_distribution(Roots((tmp_path,))) == (
        "labelled-folder",
        "train (four of five)",
        "train (every fifth)",
    )


def test_an_invalid_class_file_is_an_error(tmp_path: Path) -> None:
    write_cityscapes(tmp_path / "cityscapes")
    layouts.write_labelled_folder(tmp_path / "mine")
    (tmp_path / "mine" / "classes.toml").write_text("classes = [")
    with pytest.raises(DataError, match=r"classes\.toml: not a readable TOML file"):
        choose_in_distribution(Roots((tmp_path,)))


def test_class_sets_have_the_number_of_classes_in_their_name() -> None:
    for name, classes in CLASS_SETS.items():
        assert (classes.name, len(classes)) == (name, int(name.rsplit("-", 1)[1]))
        assert len(set(classes.names)) == len(classes)
        assert all(part == part.strip() and part for part in classes.names)
