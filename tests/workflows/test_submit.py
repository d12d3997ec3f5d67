"""Folder, scorer and records of a submission."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import oodbench
from oodbench.errors import DataNotFoundError, NotStoredError, RunFolderError, ScoreError, UnknownNameError, UsageError
from oodbench.runs.run import Run
from oodbench.workflows.submit import check_submission, submit
from tests.helpers.files import anomaly_label, photograph, save
from tests.helpers.stored import forge_map

pytestmark = pytest.mark.slow

EVERYTHING = Path(__file__).parents[1] / "helpers" / "every_plugin.py"


@pytest.fixture
def run(network_file: Path, tmp_path: Path) -> Run:
    """Run MSP and energy on two frames."""
    for seed in (1, 2):
        save(tmp_path / "data" / "cargo" / "pictures" / f"{seed}.png", photograph(seed))
        save(tmp_path / "data" / "cargo" / "truth" / f"{seed}.png", anomaly_label(seed))
    return oodbench.run(
        models=[network_file],
        methods=["msp", "energy"],
        benchmarks=["cargo"],
        data=[tmp_path / "data"],
        out=tmp_path / "run",
        stop_after="score",
        plugins=[EVERYTHING],
    )


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_submission_has_all_files(run: Run, tmp_path: Path) -> None:
    done = submit("parcel", run, tmp_path / "out", method="energy")
    assert done.frames == 2
    assert done.changes["cargo"].largest == 0
    assert done.changes["cargo"].frames == 2
    assert sorted(content(done.folder)) == ["1.npy", "2.npy", "submission.json"]
    side = json.loads((done.folder / "submission.json").read_text())
    assert {key: side[key] for key in ("target", "method", "network", "frames", "facts")} == {
        "target": "parcel",
        "method": "Energy",
        "network": "tiny",
        "frames": {"cargo": 2},
        "facts": {},
    }
    trip = side["round_trip"]["cargo"]
    assert trip["stored"] == trip["read_back"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "out", "run"]


def test_the_same_submission_is_kept_and_another_is_an_error(run: Run, tmp_path: Path) -> None:
    first = content(submit("parcel", run, tmp_path / "out", method="msp").folder)
    (tmp_path / "out" / "1.npy").unlink()
    assert content(submit("parcel", run, tmp_path / "out", method="msp").folder) == first
    with pytest.raises(RunFolderError, match="out: contains another submission"):
        submit("parcel", run, tmp_path / "out", method="energy")
    assert content(tmp_path / "out") == first
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("")
    with pytest.raises(RunFolderError, match="mine: contains other files"):
        submit("parcel", run, tmp_path / "mine", method="msp")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="file: contains other files"):
        submit("parcel", run, tmp_path / "file", method="msp")


def test_an_error_leaves_no_files(run: Run, tmp_path: Path) -> None:
    (scorer, _), (first, second) = (run.record.scorers, run.record.benchmarks[0].frames)
    old = content(submit("parcel", run, tmp_path / "out", method="msp").folder)
    path = run.folder / "scores" / scorer.key / f"{second.key}.npy"
    path.unlink()
    for out in ("out", "new"):
        with pytest.raises(NotStoredError, match="not stored"):
            submit("parcel", run, tmp_path / out, method="msp")
    assert content(tmp_path / "out") == old
    assert sorted(each.name for each in tmp_path.iterdir()) == ["data", "out", "run"]
    path.touch()
    forge_map(run.folder, path, np.full((first.height, first.width), np.inf, np.float32))
    with pytest.raises(ScoreError, match="2 is not finite"):
        submit("parcel", run, tmp_path / "new", method="msp")
    # Files that a killed process left next to the folder have no effect.
    shutil.copytree(tmp_path / "out", tmp_path / ".third.oodbench-part" / "new")
    submit("parcel", run, tmp_path / "third", method="energy")
    assert not (tmp_path / ".third.oodbench-part").exists()


def test_an_ambiguous_or_unknown_scorer_is_an_error(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has 2 scorers: msp on tiny, energy on tiny"):
        submit("parcel", run, tmp_path / "out")
    with pytest.raises(UnknownNameError, match="Did you mean 'energy'"):
        submit("parcel", run, tmp_path / "out", method="enrgy")
    with pytest.raises(UnknownNameError, match="unknown network in this run 'big'"):
        submit("parcel", run, tmp_path / "out", network="big")
    with pytest.raises(UnknownNameError, match="Did you mean 'parcel'"):
        submit("parcels", run, tmp_path / "out", method="msp")
    with pytest.raises(UsageError, match="its benchmarks are cargo; fishyscapes takes frames of fishyscapes-lost"):
        submit("fishyscapes", run, tmp_path / "out", method="msp")


def test_changed_labels_are_an_error(run: Run, tmp_path: Path) -> None:
    save(tmp_path / "data" / "cargo" / "truth" / "1.png", np.zeros((48, 96), np.uint8))
    with pytest.raises(RunFolderError, match="the frames or labels of cargo have changed since the run"):
        submit("parcel", run, tmp_path / "out", method="msp")


def test_a_submission_can_be_checked_without_a_run(run: Run, tmp_path: Path) -> None:
    folder = submit("parcel", run, tmp_path / "out", method="msp").folder
    (folder / "2.npy").unlink()
    assert check_submission("parcel", folder, plugins=[EVERYTHING]) == []
    found = check_submission("parcel", folder, data=[tmp_path / "data"], plugins=[EVERYTHING])
    assert found == ["2.npy is missing"]
    with pytest.raises(DataNotFoundError, match="none of cargo was found"):
        check_submission("parcel", folder, data=[tmp_path / "run"], plugins=[EVERYTHING])


def test_an_edited_plugin_gives_another_submission(run: Run, tmp_path: Path) -> None:
    own = tmp_path / "own" / "bundle.py"
    own.parent.mkdir()
    shutil.copy(EVERYTHING, own.parent / "base.py")
    own.write_text(
        "from dataclasses import replace\n\nfrom base import Parcel\n\n"
        'PLUGINS = {"submissions": {"bundle": ("Bundle", "an array a frame")}}\n\n\n'
        'class Bundle(Parcel):\n    card = replace(Parcel.card, name="bundle")\n'
    )
    first = content(submit("bundle", run, tmp_path / "out", method="msp", plugins=[own]).folder)
    assert content(submit("bundle", run, tmp_path / "out", method="msp", plugins=[own]).folder) == first
    with (own.parent / "base.py").open("a") as file:
        file.write("# edited\n")
    with pytest.raises(RunFolderError, match="out: contains another submission"):
        submit("bundle", run, tmp_path / "out", method="msp", plugins=[own])
