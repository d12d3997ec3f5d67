"""User errors: each names file, value, expectation and remedy, and leaves no partial result."""

from __future__ import annotations

import errno
import os
import platform
import re
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import oodbench
from oodbench.errors import OodbenchError, RunFolderError
from oodbench.storage.artifacts import RunArtifacts
from oodbench.storage.keys import cost_key
from oodbench.storage.local import LocalStore
from oodbench.storage.run_store import REPAIR
from tests.helpers.fake_benchmarks import numbers, small_run
from tests.helpers.files import anomaly_label, photograph, save, write_network
from tests.helpers.stored import forge, forge_map


@pytest.fixture
def data(road_anomaly: Path, cityscapes: Path) -> Path:
    assert road_anomaly.parent == cityscapes.parent
    return road_anomaly.parent


def assert_error(out: Path, *parts: str, network: Path, data: Path, **options: Any) -> str:
    """Return the error of a run that must fail, with each of `parts` in it, and without a result."""
    with pytest.raises(OodbenchError) as error:
        small_run(network, data, out, **options)
    for part in parts:
        assert part in str(error.value), f"{part!r} is not in: {error.value}"
    assert not (out / "result.json").exists()
    assert not list(out.glob("**/*.part"))
    return str(error.value)


def test_a_wrong_folder_is_an_error(network_file: Path, data: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    parts = ("road-anomaly was not found in", "other", "labels_semantic.png", "https://datasets-cvlab.epfl.ch")
    assert_error(tmp_path / "run", *parts, network=network_file, data=tmp_path / "other")
    assert_error(tmp_path / "run", "absent does not exist", "--data", network=network_file, data=tmp_path / "absent")


def test_missing_in_distribution_frames_are_an_error(network_file: Path, road_anomaly: Path, tmp_path: Path) -> None:
    parts = ("no dataset with the classes", "- cityscapes: leftImg8bit/", "- labelled-folder:", "--id-data DIR")
    assert_error(tmp_path / "run", *parts, network=network_file, data=road_anomaly, methods=["msp", "knn"])
    assert_error(tmp_path / "run", *parts, network=network_file, data=road_anomaly, id_data=[road_anomaly])


def test_a_truncated_image_is_an_error(network_file: Path, data: Path, tmp_path: Path) -> None:
    path = next(data.rglob("obstacles03_cardboard.jpg"))
    whole = path.read_bytes()
    path.write_bytes(whole[:600])
    assert_error(tmp_path / "run", str(path), "not an intact image file", "again", network=network_file, data=data)
    assert not (tmp_path / "run").exists()
    path.write_bytes(whole)
    run = small_run(network_file, data, tmp_path / "run")
    assert numbers(run) == numbers(small_run(network_file, data, tmp_path / "whole"))


def test_different_sizes_of_image_and_label_are_an_error(network_file: Path, data: Path, tmp_path: Path) -> None:
    label = data / "RoadAnomaly_jpg/frames/obstacles03_cardboard.labels/labels_semantic.png"
    save(label, anomaly_label(0, (40, 80), 2, None))
    parts = (str(label), "80 x 40", "obstacles03_cardboard.jpg is 96 x 48", "Unpack both again")
    assert_error(tmp_path / "run", *parts, network=network_file, data=data)
    assert not (tmp_path / "run").exists()


def test_an_undeclared_label_value_is_found_before_anything_is_computed(
    network_file: Path, data: Path, tmp_path: Path
) -> None:
    for name in ("obstacles03_cardboard", "vehicle02_Skidloader"):
        label = data / f"RoadAnomaly_jpg/frames/{name}.labels/labels_semantic.png"
        save(label, anomaly_label(0, anomaly=1, void=None))
    parts = (
        "labels_semantic.png: label value 1 is not declared",
        "expected 0, 2..255",
        "1 more frames of road-anomaly",
    )
    assert_error(tmp_path / "run", *parts, network=network_file, data=data)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"methods": ["mps"]}, "unknown method 'mps'. Did you mean 'msp'?"),
        ({"methods": ["nothing"]}, "The sets 'standard' and 'all' select several methods."),
        ({"methods": ["standard:k=2"]}, "'standard' is a set of methods, which takes no parameters"),
        ({"methods": ["knn:neighbours=5"]}, "unknown parameter of knn 'neighbours'"),
        ({"benchmarks": ["road-anomly"]}, "unknown benchmark 'road-anomly'. Did you mean 'road-anomaly'?"),
        ({"id_data": ["city=/tmp"]}, "unknown in-distribution dataset in NAME=DIR 'city'. Did you mean 'cityscapes'?"),
        (
            {"methods": ["knn:features=encoder"]},
            "kNN (features=encoder) fits none of the networks (tiny: it reads the features 'encoder'",
        ),
        ({"models": ["net.pth"]}, "--model net.pth: no such file"),
        ({"models": ["nets/net.onx"]}, "--model nets/net.onx: no such file"),
        ({"models": ["streets-softmx"]}, "unknown model 'streets-softmx'. Did you mean 'streets-softmax'?"),
        ({"models": ["net.onnx:foo=1"]}, "--model net.onnx:foo=1: ONNX networks have no options"),
        ({"models": ["network"]}, "no adapter accepts this; expected"),
        ({"limit": 0}, "expected 1 or more frames, or 'all'"),
        ({"seed": -4}, "seed is -4: input should be greater than or equal to 0"),
        ({"upsample": "none"}, "upsample is 'none': input should be 'logits' or 'score'"),
        ({"resize": "nearest"}, "resize is 'nearest': input should be 'bilinear' or 'bilinear-aligned'"),
        ({"stop_after": "fitt"}, "stop_after is 'fitt'"),
        ({"methods": ["msp", "msp:"]}, "is the same as"),
    ],
)
def test_wrong_names_and_parameters_are_errors(
    network_file: Path, data: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    assert_error(tmp_path / "run", message, network=network_file, data=data, **options)


def test_a_method_that_fits_one_of_two_networks_is_skipped_on_the_other(
    network_file: Path, data: Path, tmp_path: Path
) -> None:
    poor = tmp_path / "poor.onnx"
    write_network(poor)
    text = network_file.with_suffix(".toml").read_text().replace('name = "tiny"', 'name = "poor"')
    poor.with_suffix(".toml").write_text(text.replace('features = { penultimate = "features" }', ""))
    run = small_run(network_file, data, tmp_path / "run", models=[network_file, poor], methods=["msp", "knn"])
    assert [(row.network, row.method) for row in run.results] == [("tiny", "msp"), ("tiny", "knn"), ("poor", "msp")]
    assert run.content.skipped[0]["network"] == "poor"
    assert "penultimate" in run.content.skipped[0]["reason"]


def test_nan_scores_are_an_error(data: Path, network_file: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    write_network(broken, broken=True)
    broken.with_suffix(".toml").write_text(network_file.with_suffix(".toml").read_text())
    parts = ("msp", "scores are NaN or infinite", "tiny on", "_leftImg8bit.png", "Check the preprocessing")
    assert_error(tmp_path / "run", *parts, network=broken, data=data, methods=["msp"])


def test_an_unwritable_output_folder_is_an_error(network_file: Path, data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    parts = ("can't be written", "--out")
    assert_error(tmp_path / "file" / "run", *parts, network=network_file, data=data, methods=["msp"])


def test_an_output_folder_with_other_files_is_an_error(network_file: Path, data: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("")
    for if_exists in ("continue", "reuse", "overwrite"):
        message = "contains other files and no run"
        assert_error(
            tmp_path / "thesis", message, network=network_file, data=data, methods=["msp"], if_exists=if_exists
        )
    assert [path.name for path in (tmp_path / "thesis").iterdir() if path.name != ".lock"] == ["chapter1.tex"]


def test_the_folder_of_another_run_is_an_error(network_file: Path, data: Path, tmp_path: Path) -> None:
    first = small_run(network_file, data, tmp_path / "run", methods=["msp"])
    before = numbers(first)
    with pytest.raises(RunFolderError) as error:
        small_run(network_file, data, tmp_path / "run", methods=["msp", "energy"])
    assert "belongs to another run (methods: MSP there, Energy, MSP here)" in str(error.value)
    assert "--resume" in str(error.value)
    assert numbers(oodbench.load(tmp_path / "run")) == before
    more = small_run(network_file, data, tmp_path / "run", methods=["msp", "energy"], if_exists="reuse")
    assert numbers(more)[0] == before[0]
    assert len(more.results) == 2
    again = small_run(network_file, data, tmp_path / "run", methods=["energy"], if_exists="overwrite")
    assert len(list(again.folder.glob("scores/*"))) == 1


def test_two_simultaneous_runs_in_one_folder_are_an_error(network_file: Path, data: Path, tmp_path: Path) -> None:
    small_run(network_file, data, tmp_path / "run", methods=["msp"])
    program = f"""
from pathlib import Path
from oodbench.storage.local import LocalStore
from oodbench.storage.run_store import REPAIR
with LocalStore(Path({str(tmp_path / "run")!r})).lock():
    print("locked", flush=True)
    input()
"""
    holder = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "locked\n"
    with pytest.raises(RunFolderError, match="another oodbench process uses this folder"):
        small_run(network_file, data, tmp_path / "run", methods=["msp"])
    holder.communicate("\n")
    small_run(network_file, data, tmp_path / "run", methods=["msp"])


def test_a_full_disk_while_scoring_is_an_error(
    network_file: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = os.fsync
    written = []

    def full(descriptor: int) -> None:
        written.append(descriptor)
        if len(written) > 6:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    parts = ("can't be written (No space left on device)", "Free some space", "the same command then resumes")
    assert_error(tmp_path / "run", *parts, network=network_file, data=data, methods=["msp", "energy"])
    monkeypatch.setattr(os, "fsync", sync)
    run = small_run(network_file, data, tmp_path / "run", methods=["msp", "energy"])
    assert numbers(run) == numbers(small_run(network_file, data, tmp_path / "whole", methods=["msp", "energy"]))


def test_a_disk_that_is_too_small_is_found_in_advance(
    network_file: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda place: shutil._ntuple_diskusage(10, 10, 0))  # type: ignore[attr-defined]
    assert_error(tmp_path / "run", "only 0 MB are free", "--limit", network=network_file, data=data)


def test_damaged_fits_and_plans_are_errors(network_file: Path, data: Path, tmp_path: Path) -> None:
    run = small_run(network_file, data, tmp_path / "run", methods=["knn"], stop_after="fit")
    path = next(run.folder.glob("fits/*.safetensors"))
    path.write_bytes(path.read_bytes()[:50])
    assert_error(tmp_path / "run", str(path), "damaged", REPAIR, network=network_file, data=data, methods=["knn"])
    plan = tmp_path / "run" / "plan.json"
    plan.write_text("{}")
    assert_error(tmp_path / "run", str(plan), "damaged", REPAIR, network=network_file, data=data)
    for call in (oodbench.load, oodbench.verify, oodbench.compare):
        with pytest.raises(RunFolderError, match=re.escape(REPAIR)):
            call(run.folder)
    plan.unlink()
    path.unlink()
    repaired = small_run(network_file, data, tmp_path / "run", methods=["knn"], stop_after="fit")
    assert repaired.record == run.record
    assert path.is_file()
    plan.write_text("{}")
    forge(tmp_path / "run", plan, "{}")
    assert_error(tmp_path / "run", "not a plan of this version", "--overwrite", network=network_file, data=data)
    assert len(small_run(network_file, data, tmp_path / "run", if_exists="overwrite").results) == 7


def test_a_run_resumes_without_its_plan(network_file: Path, data: Path, tmp_path: Path) -> None:
    run = small_run(network_file, data, tmp_path / "run", methods=["msp"], stop_after="score")
    (run.folder / "plan.json").unlink()
    assert len(small_run(network_file, data, tmp_path / "run", methods=["msp"]).results) == 1


def test_only_leftovers_of_ended_processes_are_removed(network_file: Path, data: Path, tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    host = sha256(platform.node().encode()).hexdigest()[:8]
    (tmp_path / "run" / "notes").mkdir(parents=True)
    (tmp_path / "run" / "shards" / "1-of-2").mkdir(parents=True)
    left = f".oodbench-{host}-{ended.pid}-abc.part"
    theirs = [
        tmp_path / "run" / "notes" / ".mine.part",
        tmp_path / "run" / "notes" / left,
        tmp_path / "run" / "shards" / "1-of-2" / left,
        tmp_path / "run" / f".oodbench-{host}-{os.getppid()}-abc.part",
        tmp_path / "run" / f".oodbench-{'0' * 8}-1-abc.part",
    ]
    for path in [*theirs, tmp_path / "run" / left]:
        path.write_text("left")
    shutil.move(tmp_path / "run" / "notes", tmp_path / "notes")
    assert len(small_run(network_file, data, tmp_path / "run", methods=["msp"]).results) == 1
    shutil.move(tmp_path / "notes", tmp_path / "run" / "notes")
    small_run(network_file, data, tmp_path / "run", methods=["msp"])
    assert [path for path in theirs if not path.exists()] == []
    assert not (tmp_path / "run" / left).exists()


def test_labels_changed_since_the_run_are_an_error(network_file: Path, data: Path, tmp_path: Path) -> None:
    run = small_run(network_file, data, tmp_path / "run", methods=["msp"])
    label = data / "RoadAnomaly_jpg/frames/obstacles03_cardboard.labels/labels_semantic.png"
    save(label, anomaly_label(77, anomaly=2, void=None))
    with pytest.raises(RunFolderError, match="frames or labels of road-anomaly have changed since the run"):
        oodbench.load(run.folder).evaluate()


def test_a_folder_without_a_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="no run in this folder"):
        oodbench.load(tmp_path)


def test_a_map_with_nan_on_disk_is_named(network_file: Path, data: Path, tmp_path: Path) -> None:
    run = small_run(network_file, data, tmp_path / "run", methods=["msp"])
    path = next(run.folder.glob("scores/*/*.npy"))
    values = np.load(path)
    values[3, 3] = np.nan
    forge_map(run.folder, path, values)
    with pytest.raises(OodbenchError) as error:
        oodbench.load(run.folder).evaluate()
    assert str(path) in str(error.value)
    assert "score NaN" in str(error.value)


def test_an_incomplete_line_of_costs_is_ignored(tmp_path: Path) -> None:
    artifacts, key = RunArtifacts(LocalStore(tmp_path)), cost_key("network")
    artifacts.add_cost(key, {"forward": 1.0})
    with (tmp_path / "costs" / "network.jsonl").open("a") as file:
        file.write('\n{"forward": 2.0, "sc')
    artifacts.add_cost(key, {"forward": 3.0})
    assert list(artifacts.costs(key)) == [{"forward": 1.0}, {"forward": 3.0}]


def test_frames_with_other_pixels_give_another_run(network_file: Path, data: Path, tmp_path: Path) -> None:
    small_run(network_file, data, tmp_path / "run", methods=["msp"])
    save(data / "RoadAnomaly_jpg/frames/obstacles03_cardboard.jpg", photograph(55))
    with pytest.raises(RunFolderError, match="belongs to another run"):
        small_run(network_file, data, tmp_path / "run", methods=["msp"])


def test_empty_benchmarks_and_duplicate_frames_are_errors(network_file: Path, data: Path, tmp_path: Path) -> None:
    (data / "RoadAnomaly21" / "images").mkdir(parents=True)
    (data / "RoadAnomaly21" / "labels_masks").mkdir()
    message = "road-anomaly-21: its folder contains no frames"
    assert_error(tmp_path / "run", message, network=network_file, data=data, benchmarks=["road-anomaly-21"])
    for scene in ("aachen", "bochum"):
        save(data / f"cityscapes/leftImg8bit/train/{scene}/twin_leftImg8bit.png", photograph(1))
        save(data / f"cityscapes/gtFine/train/{scene}/twin_gtFine_labelIds.png", np.full((48, 96), 7, np.uint8))
    parts = ("aachen/twin_leftImg8bit.png", "bochum/twin_leftImg8bit.png", "have the same name")
    assert_error(tmp_path / "run", *parts, network=network_file, data=data, methods=["msp"])


def test_a_void_calibration_split_is_an_error(network_file: Path, data: Path, tmp_path: Path) -> None:
    for label in (data / "cityscapes" / "gtFine" / "val").rglob("*.png"):
        save(label, np.zeros((48, 96), np.uint8))
    parts = ("cityscapes val: all pixels of its frames are void", "labelled pixels")
    assert_error(tmp_path / "run", *parts, network=network_file, data=data, methods=["msp"])


def test_an_error_in_the_files_of_a_method_does_not_name_the_output_folder(
    network_file: Path, data: Path, tmp_path: Path
) -> None:
    plugin = tmp_path / "reads.py"
    plugin.write_text(
        """
from oodbench.contracts import MethodCard, PixelMethod

PLUGINS = {"methods": {"reads": ("Reads", "reads a file that is not there")}}


class Reads(PixelMethod):
    card = MethodCard(name="reads", title="Reads", paper="none", url="none")

    def pixel_score(self, band):
        return open("/nonexistent/weights.pt")
"""
    )
    parts = (f"reads failed at {plugin}:11: FileNotFoundError", "weights.pt", "_leftImg8bit.png")
    assert_error(tmp_path / "run", *parts, network=network_file, data=data, methods=["reads"], plugins=[plugin])


def test_a_card_with_another_name_is_an_error(network_file: Path, data: Path, tmp_path: Path) -> None:
    plugin = tmp_path / "copied.py"
    plugin.write_text(
        """
from oodbench.methods.msp import MSP

PLUGINS = {"methods": {"mine": ("MSP", "copied, and its card forgotten")}}
"""
    )
    parts = ("MSP is called 'mine' in PLUGINS and 'msp' on its card", "Use the same name in both")
    assert_error(tmp_path / "run", *parts, network=network_file, data=data, methods=["mine"], plugins=[plugin])


def test_a_result_older_than_its_plan_is_an_error(network_file: Path, data: Path, tmp_path: Path) -> None:
    small_run(network_file, data, tmp_path / "run", methods=["msp"])
    small_run(network_file, data, tmp_path / "run", methods=["energy"], if_exists="reuse", stop_after="fit")
    with pytest.raises(RunFolderError, match=r"result\.json is older than the plan"):
        _ = oodbench.load(tmp_path / "run").results


def test_a_frame_removed_since_the_run_is_an_error(network_file: Path, data: Path, tmp_path: Path) -> None:
    run = small_run(network_file, data, tmp_path / "run", methods=["msp"])
    import shutil

    (data / "RoadAnomaly_jpg" / "frame_list.json").unlink()
    (data / "RoadAnomaly_jpg/frames/obstacles03_cardboard.jpg").unlink()
    shutil.rmtree(data / "RoadAnomaly_jpg/frames/obstacles03_cardboard.labels")
    with pytest.raises(RunFolderError, match="the frame obstacles03_cardboard of road-anomaly is missing"):
        oodbench.load(run.folder).evaluate()


def test_a_damaged_map_and_calibration_are_named(network_file: Path, data: Path, tmp_path: Path) -> None:
    run = small_run(network_file, data, tmp_path / "run", methods=["msp"])
    for pattern, read in (
        ("scores/*/*.npy", lambda: oodbench.load(run.folder).evaluate()),
        ("calibration/*.npz", lambda: oodbench.load(run.folder).calibration(run.results[0])),
    ):
        path = next(run.folder.glob(pattern))
        path.write_bytes(b"")
        with pytest.raises(RunFolderError, match="damaged") as error:
            read()
        assert str(path) in str(error.value)
