"""The gate on real runs: the new network has the name of the accepted one and lost weights."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import oodbench
from tests.helpers.fake_benchmarks import small_run


def gate(run: Path, baseline: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "oodbench", "gate", str(run), "--baseline", str(baseline), *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def damaged(network_file: Path, tmp_path: Path) -> Path:
    """Write a network whose last layer has zero weights, so that all classes are equally likely."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load(network_file)
    (last,) = (part for part in model.graph.initializer if part.name == "second")
    last.CopyFrom(numpy_helper.from_array(0 * numpy_helper.to_array(last), "second"))
    path = tmp_path / "damaged" / "tiny.onnx"
    path.parent.mkdir()
    onnx.save(model, path)
    shutil.copy(network_file.with_suffix(".toml"), path.with_suffix(".toml"))
    return path


@pytest.mark.slow
def test_a_worse_network_fails_the_gate(
    network_file: Path, damaged: Path, road_anomaly: Path, cityscapes: Path, tmp_path: Path
) -> None:
    data, file = road_anomaly.parent, tmp_path / "baseline.json"
    accepted = small_run(network_file, data, tmp_path / "accepted").folder
    assert gate(accepted, file, "--accept").returncode == 0
    assert str(tmp_path) not in file.read_text()
    assert gate(accepted, file).returncode == 0
    assert oodbench.gate(accepted, file).unmoved == 21

    today = small_run(damaged, data, tmp_path / "today").folder
    closed = gate(today, file, "--json")
    assert closed.returncode == 1, closed.stderr
    worse = {(m["label"], m["metric"]) for m in json.loads(closed.stdout)["moves"] if m["outcome"] == "worse"}
    # Scores on features do not depend on the last layer.
    logits = {(label, "FPR95") for label in ("Energy", "Entropy", "Max logit", "MSP")}
    assert worse == logits | {("SML", "AP"), ("SML", "FPR95")}
    assert gate(today, file, "--accept").returncode == 0
    assert gate(today, file).returncode == 0

    fewer = small_run(network_file, data, tmp_path / "fewer", limit=2).folder
    refused = gate(fewer, file)
    assert refused.returncode == 2
    assert "frames of road-anomaly: data is" in refused.stderr
    assert "frames is 3 in the baseline, 2 now" in refused.stderr
