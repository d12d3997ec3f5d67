"""`oodbench data` on the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from oodbench.cli.exit_codes import ExitCode
from oodbench.cli.main import app
from oodbench.contracts import Roots
from oodbench.data.known_copies import table
from oodbench.data.known_copies.table import DIGEST_LENGTH, KnownCopy
from oodbench.errors import DataNotFoundError, OodbenchError, UnknownNameError, UsageError
from oodbench.planning.frame_index import index_frames
from oodbench.progress import Silent
from tests.helpers.files import save
from tests.helpers.reading import REGISTRY


def data(*arguments: object) -> Result:
    done = CliRunner().invoke(app, ["data", *map(str, arguments)])
    if isinstance(done.exception, OodbenchError):
        raise done.exception
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def test_list_shows_variants_below_their_benchmark() -> None:
    lines = data("list").stdout.splitlines()
    assert any(line.startswith("lost-and-found@smiyc ") and "1186 frames" in line for line in lines)
    assert any(line.startswith("  lost-and-found@pebal ") for line in lines)
    assert any(line.startswith("  road-anomaly-21-test ") and "100 frames, labels hidden" in line for line in lines)
    assert any(line.startswith("cityscapes ") and "train 2975, val 500" in line for line in lines)


def test_where_prints_archive_checksum_licence_and_frames() -> None:
    said = data("where", "fishyscapes-static-v3").stdout
    for part in (
        "fs_val_v3.zip",
        "8046056 bytes",
        "0dc11db9e57088c5bb18de4c55a53f3a",
        "terms of Cityscapes",
        "30 frames",
    ):
        assert part in said
    with pytest.raises(UnknownNameError, match="Did you mean 'fishyscapes-static-v3'"):
        data("where", "fishyscapes-static-v33")


def test_verify_reports_only_incomplete_counts(road_anomaly: Path, cityscapes: Path) -> None:
    done = data("verify", "--data", road_anomaly.parent)
    assert done.exit_code == ExitCode.MISTAKE
    assert [line for line in done.stdout.splitlines() if "  note: " not in line] == [
        "road-anomaly: 3 of 60 frames, official layout; 1 problem",
        f"  {road_anomaly}: 3 frames; the complete set has 60. Get RoadAnomaly_jpg.zip at "
        "https://datasets-cvlab.epfl.ch/2019-road-anomaly/RoadAnomaly_jpg.zip, unpack it, and give its folder: "
        "--data DIR",
        "cityscapes: train 3 of 2975 frames, official layout, val 2 of 500 frames, official layout; 2 problems",
        *(
            f"  {cityscapes}: {there} frames; the complete set has {all_}. Get leftImg8bit_trainvaltest.zip and "
            "gtFine_trainvaltest.zip at https://www.cityscapes-dataset.com, unpack both into one folder, and give it: "
            "--id-data DIR"
            for there, all_ in ((3, 2975), (2, 500))
        ),
    ]


def test_a_complete_set_is_valid(tmp_path: Path) -> None:
    """Write ten frames, as many as the card declares."""
    for index in range(10):
        save(tmp_path / "images" / f"validation{index:04d}.jpg", np.zeros((8, 16, 3), np.uint8))
        save(tmp_path / "labels_masks" / f"validation{index:04d}_labels_semantic.png", np.ones((8, 16), np.uint8))
    done = data("verify", "road-anomaly-21", "--data", tmp_path)
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "road-anomaly-21: 10 of 10 frames, official layout; no problems",
        "  note: no frame equals a known copy (the copy in course material). Other copies can be valid, too.",
    ]


def test_a_known_copy_is_named(road_anomaly: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = REGISTRY.benchmark("road-anomaly").open(Roots((road_anomaly,))).frames
    digests = {record.id: record.digest for record in index_frames(frames, "road-anomaly", Silent())}
    copy = KnownCopy("the archive", "https://example.org", {"1": digests.popitem()[1][:DIGEST_LENGTH]})
    monkeypatch.setattr(table, "list_known_copies", lambda name: (copy,))
    last = data("verify", "road-anomaly", "--data", road_anomaly).stdout.splitlines()[-1]
    assert last.startswith("  note: 1 of 3 frames equal the archive (https://example.org, 1 of its frames known).")
    assert all(name in last for name in digests)


def test_each_broken_frame_has_a_line(road_anomaly: Path) -> None:
    frames = road_anomaly / "frames"
    (frames / "obstacles03_cardboard.jpg").write_bytes(b"torn")
    label = "vehicle02_Skidloader.labels/labels_semantic.png"
    save(frames / label, np.full((8, 16), 2, np.uint8))
    save(
        frames / "animals01_Guiguinto_railway_station_Calves.labels" / "labels_semantic.png",
        np.ones((48, 96), np.uint8),
    )
    lines = data("verify", "road-anomaly", "--data", road_anomaly).stdout.splitlines()[2:]
    assert len(lines) == 3
    assert (
        "label value 1 is not declared; expected 0, 2..255. The official labels do not contain the value 1" in lines[0]
    )
    assert "obstacles03_cardboard.jpg: not an intact image file" in lines[1]
    assert f"{label}: the labels are 16 x 8 and the image" in lines[2]


def test_each_missing_label_has_a_line(cityscapes: Path) -> None:
    for path in cityscapes.rglob("aachen_*_gtFine_labelIds.png"):
        path.unlink()
    lines = data("verify", "cityscapes", "--data", cityscapes).stdout.splitlines()
    assert lines[0] == "cityscapes; 2 problems"
    assert all("aachen_00000" in line and "has no label" in line for line in lines[1:])


def test_archives_are_compared_with_their_checksums(tmp_path: Path) -> None:
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / "dataset_AnomalyTrack.zip").write_bytes(b"a page that says 404")
    (tmp_path / "downloads" / "fs_val_v1.zip").write_bytes(b"half")
    lines = data("verify", "--data", tmp_path).stdout.splitlines()
    expected = "expected 231bf79ed58924bcd33d9cbe22e61076. Download it again."
    assert any("dataset_AnomalyTrack.zip: MD5 " in line and line.endswith(expected) for line in lines)
    assert any("fs_val_v1.zip: 4 bytes; expected 4417983. Download it again." in line for line in lines)


def test_a_closed_page_is_stated_with_facts_that_identify_a_copy() -> None:
    said = data("where", "lost-and-found@smiyc").stdout
    assert "page                  https://www.6d-vision.com/lostandfounddataset (no longer available)" in said
    assert "www.6d-vision.com and www.dhbw-stuttgart.de/~sgehrig) no longer answer" in said
    for name, size, digest in (("leftImg8bit.zip", 5802953400, "307f6600"), ("gtCoarse.zip", 37756896, "53b6d3ab")):
        assert any(
            line.startswith(f"file {name} ") and f"{name} (no longer available), {size} bytes, SHA-256 {digest}" in line
            for line in said.splitlines()
        )
    assert "SHA-256 307f6600" in data("where", "fishyscapes-lost-and-found").stdout


def test_a_file_of_another_dataset_is_not_taken_for_an_archive(tmp_path: Path) -> None:
    (tmp_path / "gtCoarse.zip").write_bytes(b"coarse labels of Cityscapes")
    lines = data("verify", "lost-and-found@smiyc", "--data", tmp_path).stdout.splitlines()
    assert len(lines) == 2
    assert "lost-and-found@smiyc was not found in" in lines[1]


def test_a_requested_benchmark_that_is_missing_is_a_problem(road_anomaly: Path, tmp_path: Path) -> None:
    done = data("verify", "road-anomaly-21", "--data", road_anomaly)
    assert done.exit_code == ExitCode.MISTAKE
    assert "road-anomaly-21 was not found in" in done.stdout
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataNotFoundError, match="no benchmark and no dataset was found in"):
        data("verify", "--data", tmp_path / "empty")
    with pytest.raises(UsageError, match="no data folder was given"):
        data("verify")


def test_a_built_benchmark_can_be_used(cityscapes: Path, tmp_path: Path) -> None:
    (tmp_path / "overlays").mkdir()
    name = "frankfurt_000000_000576"
    np.savez(tmp_path / "overlays" / f"0000_{name}_rgb.npz", rgb=np.full((48, 96, 3), 7, np.int16))
    save(tmp_path / "overlays" / f"0000_{name}_labels.png", np.ones((48, 96), np.uint8))
    build = ["build-fishyscapes-static", "--overlays", tmp_path / "overlays", "--cityscapes", cityscapes]
    with pytest.raises(UsageError, match="give --version v1, v2 or v3"):
        data(*build, "--out", tmp_path / "out")
    said = data(*build, "--out", tmp_path / "out", "--version", "v2").stdout
    assert "1 frame of Fishyscapes Static v2 (as given by --version)" in said
    assert "fishyscapes-static-v2: 1 of 30 frames, built layout" in data("verify", "--data", tmp_path / "out").stdout


def test_a_part_of_oodbench_has_no_page_and_no_download(tmp_path: Path) -> None:
    for name in ("streets-anomaly", "streets-train"):
        with pytest.raises(UsageError, match=f"{name}: nothing to download; it is part of oodbench"):
            data("fetch", name, "--out", tmp_path)
        shown = CliRunner().invoke(app, ["data", "where", name]).stdout
        assert "licence" in shown
        assert "page" not in [line.split()[0] for line in shown.splitlines() if line]


def test_archives_that_can_not_be_fetched_are_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cityscapes: can't be downloaded automatically, only from its authors' page"):
        data("fetch", "cityscapes", "--out", tmp_path)
    with pytest.raises(UsageError, match="because its authors no longer offer it"):
        data("fetch", "lost-and-found@smiyc", "--out", tmp_path)


def test_user_errors_exit_with_2_without_a_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "oodbench", "data", "verify", "--data", tmp_path / "absent"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == ExitCode.MISTAKE
    assert "absent does not exist" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
