"""Fishyscapes: files that the container writes, checks of them, and a rehearsal of the container's command."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oodbench.contracts import Scoring, Submission, SubmissionScorer
from oodbench.errors import UsageError
from oodbench.registry import Registry
from oodbench.reports.submissions.fishyscapes import container
from oodbench.testing import SubmissionContract
from oodbench.types import ClassSet
from tests.helpers.handmade_submissions import files, frame, make_scorer, track, unsynced

__all__ = ["unsynced"]

SIZE = (24, 48)


def fishyscapes() -> Submission:
    return Registry().submission("fishyscapes")


def make_full_scorer() -> SubmissionScorer:
    """Provide the real number of frames."""
    name = "fishyscapes-lost-and-found"
    return make_scorer(*(frame(name, n, f"04_Maurener_Weg_8_000000_{n:06d}", SIZE, hidden=False) for n in range(100)))


@pytest.fixture(scope="module")
def made(unsynced: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("submission")
    fishyscapes().write(make_full_scorer(), folder, track)
    return folder


@pytest.mark.usefixtures("unsynced")
class TestFishyscapes(SubmissionContract):
    name = "fishyscapes"
    ending = ".npy"

    def scored(self) -> SubmissionScorer:
        return make_full_scorer()


def test_a_submission_has_two_files_per_frame_and_the_performance(made: Path) -> None:
    names = sorted(path.name for path in (made / "output").iterdir())
    assert len(names) == 200
    assert names[:3] == ["0000_anomaly.npy", "0000_segmentation.npy", "0001_anomaly.npy"]
    frames = make_full_scorer().frames
    np.testing.assert_array_equal(np.load(made / "output" / "0007_anomaly.npy"), frames[7].read_score())
    read = frames[7].read_prediction
    assert read is not None
    np.testing.assert_array_equal(np.load(made / "output" / "0007_segmentation.npy"), read())
    performance = json.loads((made / "validation_performance.json").read_text())
    assert list(performance) == ["ap", "fpr"]
    assert 0.2 < performance["ap"] < 0.9
    assert 0 < performance["fpr"] < 0.9
    definition = (made / "container" / "submission.def").read_text()
    command = (
        "python -m oodbench predict /input --format fishyscapes --method msp --model streets-softmax --out /output"
    )
    assert f"exec {command}\n" in definition
    assert (made / "container" / "oodbench" / "reports" / "submissions" / "fishyscapes" / "submission.py").is_file()
    assert not (made / "container" / "oodbench" / "reports").is_symlink()
    assert "numpy==" in (made / "container" / "requirements.txt").read_text()


@pytest.mark.parametrize("text_files", [True, False])
def test_the_container_includes_plugin_folders_outside_the_package(
    text_files: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = {"oodbench": tmp_path / "checkout" / "oodbench"}
    folders |= {f"oodbench.{name}": tmp_path / "checkout" / name for name in ("methods", "benchmarks", "reports")}
    for name, folder in folders.items():
        (folder / "__pycache__").mkdir(parents=True)
        (folder / "__pycache__" / "left.pyc").write_text("out")
        (folder / "__init__.py").write_text(name)
        if text_files and name != "oodbench":
            (folders["oodbench"] / folder.name).write_text(f"../{folder.name}")
    monkeypatch.setattr(container, "files", folders.__getitem__)
    container.copy_package(tmp_path / "out")
    held = files(tmp_path / "out")
    assert {path: content.decode() for path, content in held.items()} == {
        f"{name.replace('.', '/')}/__init__.py": name for name in folders
    }


def test_each_kind_of_invalid_submission_is_found(made: Path, tmp_path: Path) -> None:
    out = tmp_path / "output"
    out.mkdir()
    for path, content in files(made / "output").items():
        (out / path).write_bytes(content)
    score, classes = np.load(out / "0000_anomaly.npy"), np.load(out / "0000_segmentation.npy")
    (out / "0000_anomaly.npy").unlink()
    (out / "0001_segmentation.npy").unlink()
    (out / "0001_anomaly.npy").unlink()
    (out / "0002_anomaly.npy").rename(out / "2_anomaly.npy")
    (out / "0003_anomaly.npy").rename(out / "0003_x_rgb_anomaly.npy")  # file names of the official example
    (out / "0004_segmentation.npy").rename(out / "0004_segmentations.npy")
    (out / "0005_x_anomaly.npy").write_bytes((out / "0005_anomaly.npy").read_bytes())
    (out / "0006_anomaly.npy").write_bytes((out / "0006_anomaly.npy").read_bytes()[:500])
    np.save(out / "0007_anomaly.npy", np.array([object()]), allow_pickle=True)
    np.save(out / "0008_anomaly.npy", (100 * score).astype(np.int32))
    np.save(out / "0009_segmentation.npy", classes.astype(np.float32))
    np.save(out / "0010_anomaly.npy", score[:12])
    np.save(out / "0011_segmentation.npy", classes[None])
    np.save(out / "0012_anomaly.npy", np.where(score > score.mean(), np.inf, score))
    np.save(out / "0013_segmentation.npy", np.where(classes == 0, 255, classes).astype(np.uint8))
    np.save(out / "0014_segmentation.npy", classes.astype(np.int64) - 1)
    np.save(out / "0100_anomaly.npy", score)
    np.save(out / "0100_segmentation.npy", classes)
    (tmp_path / "validation_performance.json").write_text('{"ap": 61.2, "fpr": "low"}')

    found = list(fishyscapes().check(tmp_path, make_full_scorer().frames))
    expected = (
        "0000_anomaly.npy is missing",
        "0001_anomaly.npy is missing",
        "0001_segmentation.npy is missing",
        "output/2_anomaly.npy: expected DDDD_anomaly.npy or DDDD_segmentation.npy",
        "0002_anomaly.npy is missing",
        "output/0004_segmentations.npy: expected DDDD_anomaly.npy or DDDD_segmentation.npy",
        "0004_segmentation.npy is missing",
        "output/0005_anomaly.npy: output/0005_x_anomaly.npy has the same image",
        "output/0006_anomaly.npy: not an intact array of numbers",
        "output/0007_anomaly.npy: not an intact array of numbers",
        "output/0008_anomaly.npy: contains int32; expected floats",
        "output/0009_segmentation.npy: contains float32; expected integers",
        "output/0010_anomaly.npy: (12, 48); expected (24, 48)",
        "the two maps of 0010 are (12, 48) and (24, 48)",
        "output/0011_segmentation.npy: (1, 24, 48); expected (24, 48)",
        "the two maps of 0011 are",
        "output/0012_anomaly.npy: ",
        "output/0013_segmentation.npy: classes from 1 to 255; expected 0 to 19",
        "output/0014_segmentation.npy: classes from -1 to 17; expected 0 to 19",
        "there is no image 0100",
        "validation_performance.json: ap is 61.2; expected a fraction",
        "validation_performance.json: fpr is 'low'; expected a fraction",
    )
    for problem in expected:
        assert sum(problem in line for line in found) == 1, (problem, found)
    assert [line for line in found if not any(problem in line for problem in expected)] == []


def test_without_the_frames_the_official_size_is_expected(made: Path) -> None:
    found = list(fishyscapes().check(made / "output"))
    assert len(found) == 200
    assert all("(24, 48); expected (1024, 2048)" in line for line in found)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"expected": {"fishyscapes-lost-and-found": 275}}, "has 100 frames of .*; expected all 275"),
        ({"method": None}, "external scores and no network"),
        ({"classes": ClassSet("streets-2", ("a", "b"))}, "classes are streets-2; expected cityscapes-19"),
        ({"scoring": Scoring("score", "bilinear")}, "upsample.*score"),
        ({"source": "/nowhere/network.onnx"}, "the network of the run is missing"),
    ],
)
def test_runs_that_can_not_be_submitted_are_errors(
    unsynced: None, changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        fishyscapes().write(replace(make_full_scorer(), **changes), tmp_path, track)


def test_image_files_need_numbers_and_classes(tmp_path: Path) -> None:
    score, classes = np.zeros((2, 3), np.float32), np.zeros((2, 3), np.uint8)
    with pytest.raises(UsageError, match="the image street has no number"):
        fishyscapes().write_image(tmp_path, "street", score, classes)
    with pytest.raises(UsageError, match="no predicted classes"):
        fishyscapes().write_image(tmp_path, "0000_street", score, None)
    fishyscapes().write_image(tmp_path, "0000_street_rgb", score, classes)
    assert sorted(files(tmp_path)) == ["0000_anomaly.npy", "0000_segmentation.npy"]
