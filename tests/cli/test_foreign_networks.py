"""Networks of MMSegmentation on the command line and in the folder of a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from oodbench.cli.convert import convert
from oodbench.cli.info import info
from oodbench.errors import UsageError
from oodbench.runs.load import load
from oodbench.runs.verify import verify
from oodbench.segmenters.mmsegmentation.source import ConfigSource
from oodbench.workflows.run import run
from tests.helpers.mmseg_networks import build_network, save_checkpoint, write_network
from tests.helpers.results import results_of

NAME = "segformer_mit-b0_8xb1-160k_cityscapes-1024x1024"


def test_a_checkpoint_is_converted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = write_network(tmp_path, "fcn")
    tensors = len(build_network(config).state_dict())
    capsys.readouterr()  # MMEngine logs the files that it saves.
    convert(config.with_suffix(".pth"))
    there = config.with_suffix(".safetensors")
    assert there.is_file()
    assert capsys.readouterr().out == f"{there}: {tensors} tensors, 19 classes\n"


def test_the_properties_of_a_network_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = write_network(tmp_path, "segformer")
    info("model", str(config), checkpoint=config.with_suffix(".pth"))
    said = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    for line in (
        "architecture EncoderDecoder",
        "backbone MixVisionTransformer",
        "decode head SegformerHead",
        "class maps logits, every 4 pixels",
        "penultimate 32 channels, every 4 pixels",
        "stages[3] 64 channels, every 32 pixels",
        "classifier linear, 32 -> 19",
        "inference windows of 48x64 every 32x32 pixels; class maps are averaged on the image's pixels, and so are the "
        "scores of features",
        'resize {"type": "Resize", "scale": [128, 64], "keep_ratio": true}',
        "bgr_to_rgb yes",
    ):
        assert line in said, line


def test_a_run_records_its_checkpoint(tmp_path: Path, road_anomaly: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = write_network(tmp_path, "fcn")
    weights = config.with_suffix(".pth").rename(tmp_path / "weights.pth")
    model = f"{config.name}:window=64,stride=32"
    done = run(
        models=[model], checkpoints=[weights.name], methods=["msp"], benchmarks=["road-anomaly"],
        data=[road_anomaly.parent], out=tmp_path / "run", stop_after="evaluate",
    )  # fmt: skip
    (network,) = done.record.networks
    assert network.source == f"{config}:window=64,stride=32"
    assert network.checkpoint == str(weights)
    monkeypatch.chdir("/")
    assert {f"{finding.verdict} {finding.what}" for finding in verify(done)} >= {"right network fcn"}
    with pytest.raises(UsageError, match="1 --checkpoint for 2 --model"):
        run(models=[str(config), "streets-gmmseg"], checkpoints=[weights], methods=["msp"])


def test_a_config_of_the_wheel_runs_on_real_frames(real: Path, tmp_path: Path) -> None:
    source = ConfigSource.of(NAME)
    network = build_network(source.file())
    save_checkpoint(tmp_path / "iter_3.pth", network)
    (tmp_path / "card.toml").write_text(
        '[input]\nsize = [128, 256]\nchannels = "rgb"\ndivide_by = 1.0\n'
        "mean = [123.675, 116.28, 103.53]\nstd = [58.395, 57.12, 57.375]\n"
    )
    command = [sys.executable, "-m", "oodbench", "run", "--model", f"{NAME}:mode=whole", "--checkpoint", "iter_3.pth"]
    command += ["--model-card", "card.toml", "--benchmark", "road-anomaly", "--data", str(real), "--limit", "2"]
    command += [
        "--method",
        "max-logit",
        "--method",
        "knn",
        "--id-limit",
        "2",
        "--id-data",
        str(real / "cityscapes"),
        "--out",
        "r",
        "--stop-after",
        "evaluate",
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env={**os.environ})
    assert done.returncode == 0, done.stderr
    rows = results_of(json.loads(done.stdout))
    assert [row["method"] for row in rows] == ["max-logit", "knn"]
    assert all(0 <= row["metrics"]["AP"] <= 1 for row in rows)
    # A stored map equals the output of MMSegmentation's own network for the image.
    made = load(tmp_path / "r")
    (frame, _), row = made.frames("road-anomaly"), made.results[0]
    small = cv2.resize(made.image("road-anomaly", frame), (256, 128), interpolation=cv2.INTER_LINEAR)
    image = (small.astype(np.float32) - [123.675, 116.28, 103.53]) / [58.395, 57.12, 57.375]
    score = made.score(row, frame)
    with torch.inference_mode():
        logits = network(torch.from_numpy(image.transpose(2, 0, 1)[None]).float(), mode="tensor")
        wanted = -torch.nn.functional.interpolate(logits, score.shape, mode="bilinear")[0].amax(0).numpy()
    assert np.abs(score - wanted).max() <= 1e-4 * np.abs(wanted).max()
