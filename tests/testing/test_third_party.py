"""Third-party plugins of every kind: their contracts in a few lines, and `--plugin` for each kind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from oodbench.contracts import SubmissionScorer, SubmittedFrame
from oodbench.testing import (
    AdapterContract,
    BenchmarkContract,
    DatasetContract,
    MethodContract,
    ReportContract,
    SubmissionContract,
)
from oodbench.types import CITYSCAPES_19, AnomalyLabels
from tests.helpers.files import anomaly_label, photograph, save

EVERYTHING = Path(__file__).parents[1] / "helpers" / "every_plugin.py"


def write_cargo(folder: Path) -> None:
    for seed in (1, 2):
        save(folder / "cargo" / "pictures" / f"{seed}.png", photograph(seed))
        save(folder / "cargo" / "truth" / f"{seed}.png", anomaly_label(seed))


def write_streets(folder: Path) -> None:
    for split in ("fit", "check"):
        for seed in (3, 4):
            save(folder / split / "pictures" / f"{seed}.png", photograph(seed))
            save(folder / split / "truth" / f"{seed}.png", np.full((48, 96), seed, np.uint8))


class TestCentre(MethodContract):
    plugin = EVERYTHING
    name = "centre"


class TestCargo(BenchmarkContract):
    plugin = EVERYTHING
    name = "cargo"

    def make(self, folder: Path) -> None:
        write_cargo(folder)


class TestBoxes(BenchmarkContract):
    plugin = EVERYTHING
    name = "boxes"
    synthetic = True


class TestStreets(DatasetContract):
    plugin = EVERYTHING
    name = "streets"

    def make(self, folder: Path) -> None:
        write_streets(folder)


class TestSeeded(AdapterContract):
    plugin = EVERYTHING
    name = "seeded"

    def make(self, folder: Path) -> str:
        (folder / "net.seed").write_text("7")
        return str(folder / "net.seed")


class TestLines(ReportContract):
    plugin = EVERYTHING
    name = "lines"


class TestParcel(SubmissionContract):
    plugin = EVERYTHING
    name = "parcel"
    ending = ".npy"

    def scored(self) -> SubmissionScorer:
        frames = tuple(
            SubmittedFrame(
                benchmark="cargo",
                index=seed,
                id=str(seed),
                size=(48, 96),
                read_score=lambda seed=seed: photograph(seed)[:, :, 0].astype(np.float32),
                read_prediction=None,
                read_labels=lambda seed=seed: AnomalyLabels(anomaly_label(seed)),
            )
            for seed in range(3)
        )
        return SubmissionScorer(
            label="Centre",
            network="net",
            method=None,
            spec="centre",
            source="net.seed",
            card=None,
            classes=CITYSCAPES_19,
            scoring={"upsample": "logits", "resize": "bilinear"},
            fit=None,
            plugins=(EVERYTHING,),
            expected={"cargo": 3},
            frames=frames,
        )


def oodbench(*arguments: str, cwd: Path) -> str:
    command = [sys.executable, "-m", "oodbench", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=os.environ)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_distribution_adds_plugins_of_every_kind(tmp_path: Path) -> None:
    write_cargo(tmp_path)
    write_streets(tmp_path / "id")
    (tmp_path / "net.seed").write_text("7")
    given = ["--plugin", str(EVERYTHING)]
    run = [
        "--model",
        "net.seed",
        "--method",
        "centre",
        "--benchmark",
        "cargo",
        "--data",
        ".",
        "--id-data",
        "id",
        "--out",
        "run",
    ]
    out = oodbench("run", *given, *run, cwd=tmp_path)
    assert "Centre" in out
    assert "cargo" in out
    assert (tmp_path / "run" / "report" / "lines.txt").read_text() == "centre on cargo\n"
    submitted = oodbench("submit", "parcel", "run", "--out", "parcel", "--trust", cwd=tmp_path)
    assert "cargo (2 frames): AP" in submitted
    assert sorted(path.name for path in (tmp_path / "parcel").iterdir()) == ["1.npy", "2.npy", "submission.json"]
    # The run records its plugins.
    assert oodbench("report", "run", "--format", "lines", "--trust", cwd=tmp_path) == "centre on cargo\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "name", "fact"),
    [
        ("method", "centre", "parameters  none"),
        ("benchmark", "cargo", "cargo/truth/<n>.png"),
        ("dataset", "streets", "cityscapes-19: road"),
        ("report", "lines", "Lines"),
        ("submission", "parcel", "https://example.org"),
    ],
)
def test_list_and_info_show_the_plugin(tmp_path: Path, kind: str, name: str, fact: str) -> None:
    given = ["--plugin", str(EVERYTHING)]
    assert name in oodbench("list", kind, *given, cwd=tmp_path)
    assert fact in oodbench("info", kind, name, *given, cwd=tmp_path)


@pytest.mark.slow
def test_model_info_and_doctor_show_the_plugin(tmp_path: Path) -> None:
    (tmp_path / "net.seed").write_text("7")
    write_cargo(tmp_path)
    given = ["--plugin", str(EVERYTHING)]
    assert "net" in oodbench("info", "model", "net.seed", *given, cwd=tmp_path)
    assert "2 of 2 frames, flat layout" in oodbench("doctor", "--data", ".", *given, cwd=tmp_path)


@pytest.mark.slow
def test_a_third_party_report_works_on_an_older_run(network_file: Path, road_anomaly: Path, tmp_path: Path) -> None:
    run = ["run", "--model", str(network_file), "--method", "msp", "--data", str(road_anomaly), "--out", "run"]
    oodbench(*run, cwd=tmp_path)
    made = oodbench("report", "run", "--format", "lines", "--plugin", str(EVERYTHING), cwd=tmp_path)
    assert made == "msp on road-anomaly\n"


def test_an_invalid_entry_point_causes_a_warning(tmp_path: Path) -> None:
    info = tmp_path / "gone-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gone\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[oodbench]\ngone = gone_plugin\n")
    paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "oodbench", "list", "methods"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": paths})
    assert "warning: the plugins of 'gone' can't be found in gone_plugin: there is no such module" in done.stderr
    assert "msp" in done.stdout
