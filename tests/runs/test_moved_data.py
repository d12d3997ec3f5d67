"""Runs whose data is in another folder now: `--data`, `--id-data`, OODBENCH_DATA, and frames that differ."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

import oodbench
from oodbench.cli.main import app
from oodbench.errors import DataError, DataNotFoundError, RunFolderError, UnknownNameError
from oodbench.planning.request import config_file
from oodbench.runs.run import Run
from tests.helpers.fake_benchmarks import numbers, small_run
from tests.helpers.files import anomaly_label, photograph, save, write_cityscapes
from tests.testing.test_third_party import EVERYTHING

IDS = tuple(f"animals0{index}" for index in range(5))
VERBS = {
    "html": ["report", "RUN", "--format", "html", "--out", "OUT"],
    "figure": ["report", "RUN", "--figure", "qualitative", "--out", "OUT"],
    "compare": ["compare", "RUN", "--metric", "AP"],
    "evaluate": ["evaluate", "RUN", "--protocol", "caos"],
    "submit": ["submit", "parcel", "RUN", "--method", "msp", "--out", "OUT"],
    "merge": ["merge", "SHARDS", "--out", "OUT"],
}
WITH_MARKS = [pytest.param(verb, marks=pytest.mark.slow if verb == "merge" else ()) for verb in VERBS]


def write_frames(root: Path) -> Path:
    """Write five frames in Road Anomaly's official layout."""
    for seed, name in enumerate(IDS):
        save(root / "frames" / f"{name}.jpg", photograph(seed), quality=95)
        save(root / "frames" / f"{name}.labels" / "labels_semantic.png", anomaly_label(seed, anomaly=2, void=None))
    (root / "frame_list.json").write_text(json.dumps([f"{name}.jpg" for name in IDS]))
    return root


def write_submission(file: Path) -> Path:
    """Write the submission of the plugins for tests, for frames of Road Anomaly."""
    text = EVERYTHING.read_text().replace('("cargo",))', '("road-anomaly",))')
    file.write_text(text.replace('scored.expected["cargo"]', "len(scored.frames)"))
    return file


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, network_file: Path) -> Path:
    """Make a run and its shard, without sketches, in a folder without the data."""
    here = tmp_path_factory.mktemp("place")
    write_frames(here / "RoadAnomaly_jpg")
    write_cityscapes(here / "cityscapes")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OODBENCH_CACHE", str(here / "cache"))
        for out, shard in (("run", None), ("shards", "1/1")):
            small_run(
                network_file, here / "RoadAnomaly_jpg", here / out, methods=["msp", "entropy"], shard=shard,
                id_data=[here / "cityscapes"],
            )  # fmt: skip
    shutil.rmtree(here / "run" / "sketches")
    (here / "moved").mkdir()
    for name in ("RoadAnomaly_jpg", "cityscapes"):
        (here / name).rename(here / "moved" / name)
    write_submission(here / "parcel.py")
    return here


@pytest.fixture
def run(place: Path, tmp_path: Path) -> Path:
    for name in ("run", "shards"):
        shutil.copytree(place / name, tmp_path / name)
    return tmp_path / "run"


@pytest.fixture
def changed(place: Path, tmp_path: Path) -> Path:
    """Copy the moved frames and change the labels of one."""
    shutil.copytree(place / "moved" / "RoadAnomaly_jpg", tmp_path / "changed" / "RoadAnomaly_jpg")
    label = tmp_path / "changed" / "RoadAnomaly_jpg" / "frames" / f"{IDS[3]}.labels" / "labels_semantic.png"
    save(label, anomaly_label(77, anomaly=2, void=None))
    return tmp_path / "changed"


def invoke(verb: str, run: Path, place: Path, *options: object) -> Result:
    places = {"RUN": run, "SHARDS": run.with_name("shards"), "OUT": run.with_name("out")}
    plugin = ["--plugin", place / "parcel.py"] if verb == "submit" else []
    words = [places.get(word, word) for word in VERBS[verb]]
    return CliRunner().invoke(app, [str(word) for word in (*words, *plugin, *options)])


@pytest.mark.parametrize("verb", WITH_MARKS)
def test_each_verb_finds_the_data_with_an_option(verb: str, run: Path, place: Path, changed: Path) -> None:
    recorded = place / "RoadAnomaly_jpg"
    without = invoke(verb, run, place)
    assert isinstance(without.exception, DataNotFoundError)
    assert f"{recorded}: road-anomaly was in this folder during the run and was not found" in str(without.exception)
    assert "--data DIR" in str(without.exception)
    differing = invoke(verb, run, place, "--data", changed)
    assert isinstance(differing.exception, RunFolderError)
    for part in (f"{changed / 'RoadAnomaly_jpg'}: ", IDS[3], f"the run read {recorded}"):
        assert part in str(differing.exception)
    shutil.rmtree(run.with_name("out"), ignore_errors=True)
    for options in (["--data", place / "moved"], ["--data", f"road-anomaly={place / 'moved' / 'RoadAnomaly_jpg'}"]):
        done = invoke(verb, run, place, *options)
        assert done.exit_code == 0, done.exception
        shutil.rmtree(run.with_name("out"), ignore_errors=True)


def test_a_table_needs_no_data(run: Path) -> None:
    assert CliRunner().invoke(app, ["report", str(run)]).exit_code == 0


def test_verify_finds_the_data(run: Path, place: Path, changed: Path) -> None:
    def verify(*options: object) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["verify", str(run), *map(str, options)])
        return done.exit_code, done.stdout

    code, text = verify()
    assert code == 5
    assert f"not checked  frames of road-anomaly: {place / 'RoadAnomaly_jpg'}: " in text
    assert f"not checked  frames of cityscapes val: {place / 'cityscapes'}: " in text
    code, text = verify("--data", place / "moved" / "RoadAnomaly_jpg")
    assert code == 5
    assert "right        frames of road-anomaly" in text
    assert "not checked  frames of cityscapes val" in text
    code, text = verify("--data", place / "moved", "--id-data", place / "moved" / "cityscapes")
    assert code == 0
    assert verify("--data", place / "moved")[0] == 0
    code, text = verify("--data", changed)
    assert code == 2
    assert "wrong        frames of road-anomaly" in text


def test_from_python(run: Path, place: Path, changed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moved = place / "moved"
    monkeypatch.chdir(place)
    loaded = oodbench.load(run, data="moved")
    monkeypatch.chdir(run)
    assert numbers(loaded.evaluate()) == numbers(loaded)
    assert loaded.image("road-anomaly", IDS[0]).shape == (48, 96, 3)
    named = oodbench.load(run, data={"road-anomaly": moved / "RoadAnomaly_jpg"}, id_data=[moved / "cityscapes"])
    assert {check.verdict for check in oodbench.verify(named) if check.what != "the rest"} == {"right"}
    copy: Run = pickle.loads(pickle.dumps(loaded))  # noqa: S301  # the data was written in this process
    assert copy.labels("road-anomaly", IDS[1]) is not None
    other = oodbench.load(run, data=changed)
    assert other.image("road-anomaly", IDS[0]).shape == (48, 96, 3)
    with pytest.raises(RunFolderError, match=f"the first is {IDS[3]}"):
        other.labels("road-anomaly", IDS[3])
    with pytest.raises(UnknownNameError, match="unknown frame of road-anomaly in this run 'animals9'"):
        other.image("road-anomaly", "animals9")


def test_a_missing_frame_is_named(run: Path, place: Path, changed: Path) -> None:
    frames = changed / "RoadAnomaly_jpg" / "frames"
    (frames / f"{IDS[4]}.jpg").unlink()
    shutil.rmtree(frames / f"{IDS[4]}.labels")
    (changed / "RoadAnomaly_jpg" / "frame_list.json").unlink()
    with pytest.raises(RunFolderError, match=f"the frame {IDS[4]} of road-anomaly is missing") as error:
        oodbench.load(run, data=changed).evaluate()
    assert str(frames.parent) in str(error.value)
    assert str(place / "RoadAnomaly_jpg") in str(error.value)


def test_the_environment_and_the_config_file_name_the_data(
    run: Path, place: Path, changed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OODBENCH_DATA", str(place / "moved"))
    assert oodbench.load(run).image("road-anomaly", IDS[0]).shape == (48, 96, 3)
    assert numbers(oodbench.load(run).evaluate()) == numbers(oodbench.load(run))
    monkeypatch.setenv("OODBENCH_DATA", str(place / "nothing"))
    with pytest.raises(DataNotFoundError, match="--data DIR"):
        oodbench.load(run).image("road-anomaly", IDS[0])
    monkeypatch.delenv("OODBENCH_DATA")
    config_file().parent.mkdir(parents=True)
    config_file().write_text(f"data = [{str(place / 'moved')!r}]\n")
    assert oodbench.load(run).image("road-anomaly", IDS[0]).shape == (48, 96, 3)
    with pytest.raises(RunFolderError, match="have changed since the run"):  # an option comes first
        oodbench.load(run, data=changed).image("road-anomaly", IDS[3])


def test_the_recorded_folder_is_used_while_it_exists(
    network_file: Path, tmp_path: Path, changed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_frames(tmp_path / "data" / "RoadAnomaly_jpg")
    run = small_run(network_file, data, tmp_path / "own", methods=["msp"])
    monkeypatch.setenv("OODBENCH_DATA", str(changed))
    assert numbers(oodbench.load(run.folder).evaluate()) == numbers(run)
    (tmp_path / "empty").mkdir()  # a folder without the benchmark hides no recorded one
    assert numbers(oodbench.load(run.folder, data=tmp_path / "empty").evaluate()) == numbers(run)
    np.testing.assert_array_equal(
        oodbench.load(run.folder).image("road-anomaly", IDS[3]), run.image("road-anomaly", IDS[3])
    )
    save(data / "frames" / f"{IDS[1]}.jpg", photograph(9), quality=95)
    with pytest.raises(RunFolderError, match=f"the first is {IDS[1]}"):
        oodbench.load(run.folder).image("road-anomaly", IDS[1])


def test_a_wrong_option_is_an_error_at_once(run: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="absent does not exist"):
        oodbench.load(run, data=tmp_path / "absent")
    with pytest.raises(UnknownNameError, match="Did you mean 'road-anomaly'"):
        oodbench.load(run, data={"road-anomoly": tmp_path})
    with pytest.raises(UnknownNameError, match="in-distribution dataset in NAME=DIR"):
        oodbench.load(run, id_data={"road-anomaly": tmp_path})
