"""The trial of a network on small images."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

from oodbench import TorchSegmenter
from oodbench.cli.info import info
from oodbench.errors import ModelError
from oodbench.segmenters.onnx import OnnxAdapter
from oodbench.stages.trial import try_network
from tests.helpers.exported_networks import write_card, write_unet
from tests.helpers.files import CARD, write_network


def test_the_shapes_of_all_outputs_are_returned(network_file: Path) -> None:
    warnings: list[str] = []
    shapes = try_network(OnnxAdapter().open(str(network_file), None, "cpu"), warnings.append)
    assert shapes == {"class maps": "[19, 16, 32]", "penultimate": "[8, 16, 32]"}
    assert warnings == []


def test_info_prints_the_outputs(network_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    info("model", str(network_file))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["class", "maps", "[19,", "16,", "32]"] in lines


def test_a_network_that_fails_on_some_sizes_is_a_warning(tmp_path: Path) -> None:
    path = write_unet(tmp_path / "unet.onnx")
    write_card(tmp_path / "unet.toml")
    warnings: list[str] = []
    try_network(OnnxAdapter().open(str(path), None, "cpu"), warnings.append)
    (said,) = warnings
    assert said.startswith("images of 90x160 pixels fail: ")
    assert "set input.multiple_of = 32" in said


def test_outputs_that_are_not_finite_are_an_error(tmp_path: Path) -> None:
    write_network(tmp_path / "broken.onnx", broken=True)
    (tmp_path / "broken.toml").write_text(CARD)
    with pytest.raises(ModelError, match="class maps of an image of 128x256 pixels are NaN or infinite"):
        info("model", str(tmp_path / "broken.onnx"))


def test_any_error_of_a_network_is_a_model_error(monkeypatch: pytest.MonkeyPatch) -> None:
    segmenter = TorchSegmenter(nn.Conv2d(3, 19, 1), device="cpu", name="mine")
    monkeypatch.setattr(segmenter, "prepare", lambda image: image.absent)
    with pytest.raises(ModelError, match=r"mine: failed on an image of 128x256 pixels \(AttributeError: "):
        try_network(segmenter, lambda _: None)
