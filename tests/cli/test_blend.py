"""`oodbench data blend` on the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from oodbench.cli.exit_codes import ExitCode
from oodbench.cli.main import app
from oodbench.errors import DataError, RunFolderError, UsageError
from tests.cli.test_data import data
from tests.helpers.files import photograph, save


@pytest.fixture
def cutouts(tmp_path: Path) -> Path:
    pixels = np.zeros((40, 40, 4), np.uint8)
    pixels[5:35, 5:35] = (180, 90, 40, 255)
    save(tmp_path / "cutouts" / "box_0.7m.png", pixels)
    return tmp_path / "cutouts"


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    for index in range(2):
        save(tmp_path / "photographs" / f"{index}.png", photograph(index, (128, 256)))
    return tmp_path / "photographs"


@pytest.mark.slow
def test_a_blended_set_is_written_verified_run_and_gated(
    photographs: Path, cutouts: Path, cityscapes: Path, network_file: Path, tmp_path: Path
) -> None:
    """Two folders from the same seed are the same benchmark for a baseline."""
    runs = []
    for name in "ab":
        out = tmp_path / name / "blend"
        said = data("blend", "--frames", photographs, "--out", out, "--count", 4, "--cutouts", cutouts).stdout
        assert f"{out}: 4 frames of synthetic-blend from 2 source frames, seed 0: " in said
        assert "the source frames have no labels" in said
        assert f"use it:  oodbench run --benchmark synthetic-blend --data {out}" in said
        done = data("verify", "synthetic-blend", "--data", out)
        assert done.stdout == "synthetic-blend: 4 of 4 frames, blended layout; no problems\n"
        runs.append(tmp_path / name / "run")
        command = ["run", "--benchmark", "synthetic-blend", "--data", str(out), "--id-data", str(cityscapes)]
        command += ["--model", str(network_file), "--method", "msp", "--out", str(runs[-1])]
        assert CliRunner().invoke(app, command).exit_code == 0
    baseline = ["--baseline", str(tmp_path / "baseline.json")]
    assert CliRunner().invoke(app, ["gate", str(runs[0]), *baseline, "--accept"]).exit_code == 0
    assert CliRunner().invoke(app, ["gate", str(runs[1]), *baseline]).exit_code == ExitCode.DONE


def test_labelled_frames_are_chosen_by_split(cityscapes: Path, cutouts: Path, tmp_path: Path) -> None:
    blend = ["blend", "--frames", cityscapes, "--cutouts", cutouts, "--count", 2]
    said = data(*blend, "--out", tmp_path / "val", "--split", "val").stdout
    assert "2 frames of synthetic-blend from 2 source frames" in said
    assert "no ordinary object is pasted: the source frames contain none that can be cut out completely" in said
    names = sorted(path.name for path in (tmp_path / "val").glob("*_rgb.png"))
    assert names == ["0000_frankfurt_000000_000576_rgb.png", "0001_lindau_000000_000019_rgb.png"]
    with pytest.raises(UsageError, match=r"--split test: cityscapes in .* has the splits train, val"):
        data(*blend, "--out", tmp_path / "test", "--split", "test")


def test_user_errors_name_the_remedy(photographs: Path, cutouts: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    out = ["--out", tmp_path / "out"]
    with pytest.raises(DataError, match=r"empty: .*no images in this folder"):
        data("blend", "--frames", tmp_path / "empty", *out)
    with pytest.raises(DataError, match="absent does not exist"):
        data("blend", "--frames", tmp_path / "absent", *out)
    with pytest.raises(UsageError, match=r"--split val: .* contains no labelled dataset"):
        data("blend", "--frames", photographs, *out, "--split", "val")
    with pytest.raises(DataError, match="no images in this folder"):
        data("blend", "--frames", photographs, *out, "--cutouts", tmp_path / "empty")
    with pytest.raises(RunFolderError, match="is not empty"):
        data("blend", "--frames", photographs, "--out", photographs, "--cutouts", cutouts)
    assert not (tmp_path / "out").exists()
