"""Both tracks with their real numbers of frames: written, checked, damaged in each detectable way, and read."""

from __future__ import annotations

import json
import shutil
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from oodbench.contracts import Submission, SubmissionScorer, WrittenSubmission
from oodbench.data import read_hdf5, write_hdf5
from oodbench.errors import OodbenchError, ScoreError, UsageError
from oodbench.metrics import measure_change
from oodbench.registry import Registry
from oodbench.reports.submissions.segment_me_if_you_can.entry import LOST_AND_FOUND, find_entry_problems, make_entry
from oodbench.testing import SubmissionContract
from tests.helpers.handmade_submissions import both_tracks, files, frame, labels, make_scorer, track, unsynced
from tests.helpers.tracks import SIZE

__all__ = ["unsynced"]

NAME = "segment-me-if-you-can"


def target(parameters: str = "requires_ood=no") -> Submission:
    return Registry().submission(f"{NAME}:{parameters}" if parameters else NAME)


@pytest.fixture(scope="module")
def tracks() -> SubmissionScorer:
    return both_tracks()


@pytest.fixture(scope="module")
def made(
    tracks: SubmissionScorer, unsynced: None, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, WrittenSubmission]:
    folder = tmp_path_factory.mktemp("submission")
    return folder, target("requires_ood=no,method=My method/2,code=https://example.org").write(tracks, folder, track)


TREE = "anomaly_p/My-method-2"


@pytest.mark.usefixtures("unsynced")
class TestSegmentMeIfYouCan(SubmissionContract):
    name = NAME
    spec = f"{NAME}:requires_ood=no"
    ending = ".hdf5"

    def scored(self) -> SubmissionScorer:
        tracks = both_tracks()
        return replace(tracks, frames=tracks.frames[:110])


def test_the_folder_has_each_frame_in_half_precision(
    made: tuple[Path, WrittenSubmission], tracks: SubmissionScorer
) -> None:
    folder, written = made
    anomaly, obstacle = (sorted((folder / TREE / f"{name}Track-all").iterdir()) for name in ("Anomaly", "Obstacle"))
    assert (len(anomaly), len(obstacle)) == (110, 452)
    with h5py.File(folder / TREE / "ObstacleTrack-all" / "snowstorm1_00_16_00.578.hdf5") as file:
        assert (list(file), file["value"].dtype, file["value"].shape) == (["value"], np.float16, SIZE)
        assert (file["value"].compression, file["value"].compression_opts) == ("gzip", 9)
    facts = written.facts["half_precision"]
    assert {name: fact["map"] for name, fact in facts.items()} == {"AnomalyTrack": "none", "ObstacleTrack": "ranks"}
    assert facts["AnomalyTrack"]["why"] == "rounding changes AP and FPR95 by less than 0.0001"
    assert facts["ObstacleTrack"]["why"] == "rounding changes AP or FPR95 by 0.0001 or more"
    assert facts["ObstacleTrack"]["rounding_changes"] > 0.01


def test_scores_read_from_the_submission_have_equal_metrics(
    made: tuple[Path, WrittenSubmission], tracks: SubmissionScorer
) -> None:
    for benchmark, count in {"road-anomaly-21": 10, "road-obstacle-21": 40}.items():
        frames = [each for each in tracks.frames if each.benchmark == benchmark]
        read = list(target().read(made[0], frames))
        measured = measure_change((each.read_score(), score, labels(each.index, SIZE)) for each, score in read)
        assert measured.frames == count
        assert measured.largest < 1e-4
        assert 0.2 < measured.before[0] < 0.9


def test_one_mapping_serves_the_whole_track(made: tuple[Path, WrittenSubmission], tracks: SubmissionScorer) -> None:
    frames = [each for each in tracks.frames if each.benchmark.startswith("road-obstacle-21")]
    pairs = list(target().read(made[0], frames))
    before = np.concatenate([each.read_score().ravel() for each, _ in pairs])
    after = np.concatenate([score.ravel() for _, score in pairs])
    order = np.argsort(before, kind="stable")
    assert (np.diff(after[order]) >= 0).all()
    assert (np.diff(after[order])[np.diff(before[order]) == 0] == 0).all()


def test_the_submission_and_its_archives_are_valid(
    made: tuple[Path, WrittenSubmission], tracks: SubmissionScorer, tmp_path: Path
) -> None:
    folder, _ = made
    assert list(target("").check(folder, tracks.frames)) == []
    assert list(target("").check(folder / "My-method-2.zip", tracks.frames)) == []
    names = zipfile.ZipFile(folder / "My-method-2.zip").namelist()
    assert len(names) == 562
    assert names[0] == "AnomalyTrack-all/cow0000.hdf5"
    with tarfile.open(tmp_path / "flat.tar.gz", "w:gz") as archive:
        for name in ("cow0000", "validation0000"):
            archive.add(folder / TREE / "AnomalyTrack-all" / f"{name}.hdf5", f"{name}.hdf5")
    (lacks, *_) = target("").check(tmp_path / "flat.tar.gz")
    assert "AnomalyTrack has 1 test frames; expected 100" in lacks


def test_without_the_frames_their_real_sizes_are_expected(made: tuple[Path, WrittenSubmission]) -> None:
    found = list(target("").check(made[0] / TREE / "AnomalyTrack-all"))
    assert len(found) == 110
    assert all("(16, 32); expected (1024, 2048) or (720, 1280), the size of the image" in problem for problem in found)


def value(path: Path, content: Any, key: str = "value") -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset(key, data=content)


def test_each_kind_of_invalid_submission_is_found(
    made: tuple[Path, WrittenSubmission], tracks: SubmissionScorer, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong"
    shutil.copytree(made[0], wrong)
    anomaly, obstacle = (wrong / TREE / f"{name}Track-all" for name in ("Anomaly", "Obstacle"))
    good = read_hdf5(anomaly / "cow0000.hdf5")
    # Names and counts
    (anomaly / "cow0001.hdf5").unlink()
    (anomaly / "validation0003.hdf5").unlink()
    (obstacle / "driveway_bag_0.hdf5").rename(obstacle / "driveway_bag_99.hdf5")
    (anomaly / "cow0002.hdf5").rename(obstacle / "cow0002.hdf5")
    shutil.copy(anomaly / "cow0003.hdf5", obstacle / "cow0003.hdf5")
    shutil.copy(anomaly / "cow0003.hdf5", anomaly / "unicorn0000.hdf5")
    (anomaly / "cow0004.npy").write_bytes(b"")
    # Content
    (anomaly / "cow0005.hdf5").write_bytes((anomaly / "cow0005.hdf5").read_bytes()[:900])
    value(anomaly / "cow0006.hdf5", good, key="values")
    value(anomaly / "cow0007.hdf5", good.astype(np.float32))
    value(anomaly / "cow0008.hdf5", (good > 0).astype(np.int16))
    value(anomaly / "cow0009.hdf5", good[:8, :16])
    value(anomaly / "cow0010.hdf5", good[None])
    broken = good.copy()
    broken[0, :3] = np.nan, np.inf, -np.inf
    value(anomaly / "cow0011.hdf5", broken)
    # The entry
    entry = json.loads((wrong / "leaderboard_entry.json").read_text())
    ours = entry["anomaly_track"][0]
    ours["AnomalyTrack-test-PixBinaryClass-area_PRC"] = 50
    ours["AnomalyTrack-test-SegEval-AnomalyTrack-fn_25"] = 1.5
    ours["requires_ood"] = "no"
    del ours["code"]
    (wrong / "leaderboard_entry.json").write_text(json.dumps(entry | {"third_track": []}))

    found = list(target("").check(wrong, tracks.frames))
    here, there = f"{TREE}/AnomalyTrack-all", f"{TREE}/ObstacleTrack-all"
    expected = (
        "AnomalyTrack has 99 test frames; expected 100",
        "AnomalyTrack has 9 validation frames; expected 0 or 10",
        "AnomalyTrack: cow0001.hdf5 is missing",
        "ObstacleTrack: driveway_bag_0.hdf5 is missing",
        f"{there}/driveway_bag_99.hdf5: no frame of ObstacleTrack is called driveway_bag_99",
        f"{there}/cow0002.hdf5: a frame of AnomalyTrack; expected in AnomalyTrack-all/",
        f"{here}/cow0003.hdf5: {there}/cow0003.hdf5 has the same frame",
        f"{here}/unicorn0000.hdf5: no frame of either track is called unicorn0000",
        f"{here}/cow0004.npy: not part of a submission",
        f"{here}/cow0005.hdf5: not an intact HDF5 file",
        f"{here}/cow0006.hdf5: contains values; expected an array 'value'",
        f"{here}/cow0007.hdf5: contains float32; expected float16",
        f"{here}/cow0008.hdf5: contains int16; expected float16",
        f"{here}/cow0009.hdf5: (8, 16); expected (16, 32)",
        f"{here}/cow0010.hdf5: (1, 16, 32); expected (16, 32)",
        f"{here}/cow0011.hdf5: 3 of 512 scores are NaN or infinite",
        "anomaly_track: AnomalyTrack-test-PixBinaryClass-area_PRC is 50; expected a fraction, no percentage",
        "anomaly_track: AnomalyTrack-test-SegEval-AnomalyTrack-fn_25 is 1.5; expected a count",
        "anomaly_track: requires_ood is 'no'; expected true or false",
        "anomaly_track: the field 'code' is missing",
        "unknown list 'third_track'",
    )
    for problem in expected:
        assert sum(problem in line for line in found) == 1, (problem, found)
    assert [line for line in found if not any(problem in line for problem in expected)] == []


def test_constant_scores_are_found(tmp_path: Path) -> None:
    for index in range(100):
        value(tmp_path / f"cow{index:04d}.hdf5", np.zeros((720, 1280), np.float16)[:1, :1])
    assert "all scores of AnomalyTrack are 0; expected different ones" in list(target("").check(tmp_path))[-1]


def test_the_entry_has_every_field_of_the_table(made: tuple[Path, WrittenSubmission]) -> None:
    entry = json.loads((made[0] / "leaderboard_entry.json").read_text())
    assert list(entry) == ["anomaly_track", "obstacle_track"]
    (obstacle,) = entry["obstacle_track"]
    assert obstacle["method"] == "My method/2"
    assert obstacle["requires_ood"] is False
    assert (obstacle["paper"], obstacle["code"]) == ("https://arxiv.org/abs/1610.02136", "https://example.org")
    numbers = [f"ObstacleTrack-test-PixBinaryClass-{name}" for name in ("area_PRC", "tpr95_fpr", "best_f1")]
    numbers += [f"ObstacleTrack-test-SegEval-ObstacleTrack-{name}" for name in ("sIoU_gt", "prec_pred")]
    numbers += [
        f"ObstacleTrack-test-SegEval-ObstacleTrack-{name}_{at}" for at in (25, 50, 75) for name in ("fn", "fp", "f1")
    ]
    numbers.append("ObstacleTrack-test-SegEval-ObstacleTrack-f1_mean")
    assert list(obstacle) == [*numbers, "method", "requires_ood", "paper", "code"]
    assert all(obstacle[name] is None for name in numbers)


def test_lost_and_found_has_separate_numbers() -> None:
    known = [frame(LOST_AND_FOUND, n, f"02_x_{n}", (40, 80), hidden=False) for n in range(3)]
    table = make_entry(make_scorer(*known), [], "MSP", target().params)
    (row,) = table["laf_no_known"]
    assert 0.2 < row["LostAndFound-testNoKnown-PixBinaryClass-area_PRC"] < 0.9
    assert row["LostAndFound-testNoKnown-SegEval-ObstacleTrack-fn_25"] >= 0
    assert len(row) == 19
    assert list(find_entry_problems("entry", json.dumps(table).encode())) == []
    partly = make_scorer(*known, expected={LOST_AND_FOUND: 1043})
    assert make_entry(partly, ["AnomalyTrack"], "MSP", target().params).keys() == {"anomaly_track"}


@pytest.mark.parametrize(
    ("change", "parameters", "message"),
    [
        (lambda frames: frames, "", "requires_ood is not given"),
        (lambda frames: frames[:110], "layout=round,requires_ood=no", "layout=round"),
        (lambda frames: frames[1:], "requires_ood=no", "lacks frames of AnomalyTrack: 99 test frames; expected 100"),
        (lambda frames: frames[110:-3], "requires_ood=no", "37 validation frames; expected 0 or 30 or 40"),
        (lambda frames: frames[110:-40][:-55], "requires_ood=yes", "0 snow frames; expected 55"),
        (lambda frames: (), "requires_ood=yes", "no frame of either track"),
    ],
)
def test_runs_that_can_not_be_submitted_are_errors(
    tracks: SubmissionScorer, change: Any, parameters: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        target(parameters).write(replace(tracks, frames=change(tracks.frames)), tmp_path, track)
    assert files(tmp_path) == {}


def test_a_score_that_is_not_finite_is_an_error(tracks: SubmissionScorer, tmp_path: Path) -> None:
    first = replace(tracks.frames[0], read_score=lambda: np.full(SIZE, np.nan, np.float32))
    with pytest.raises(ScoreError, match=r"scores of cow0000 in road-anomaly-21-all are \(16, 32\), 512 of them not"):
        target().write(replace(tracks, frames=(first, *tracks.frames[1:110])), tmp_path, track)


def test_metrics_need_validation_frames(unsynced: None, tracks: SubmissionScorer, tmp_path: Path) -> None:
    written = target("requires_ood=no,layout=flat").write(replace(tracks, frames=tracks.frames[:100]), tmp_path, track)
    assert written.facts["half_precision"]["AnomalyTrack"]["why"] == "no labelled frame to measure on"
    assert any("nothing says how half precision changes its metrics" in note for note in written.notes)
    assert "cow0000.hdf5" in zipfile.ZipFile(tmp_path / "MSP.zip").namelist()


def test_half_precision_scores_are_unchanged(unsynced: None, tracks: SubmissionScorer, tmp_path: Path) -> None:
    halves = [
        replace(each, read_score=lambda each=each: each.read_score().astype(np.float16).astype(np.float32))
        for each in tracks.frames[:100]
    ]
    written = target().write(replace(tracks, frames=tuple(halves)), tmp_path, track)
    assert written.facts["half_precision"]["AnomalyTrack"]["why"] == "every score is a half-precision number already"
    for each, score in target().read(tmp_path, halves[:3]):
        np.testing.assert_array_equal(score, each.read_score())


def test_other_files_are_not_submissions(tmp_path: Path) -> None:
    assert list(target("").check(tmp_path)) == [f"{tmp_path}: no file <frame>.hdf5. Write one file per frame."]
    write_hdf5(tmp_path / "a.hdf5", np.zeros((2, 2), np.float32))
    for path, message in ((tmp_path / "a.hdf5", "not an archive"), (tmp_path / "b", "does not exist")):
        with pytest.raises(OodbenchError, match=message):
            list(target("").check(path))
