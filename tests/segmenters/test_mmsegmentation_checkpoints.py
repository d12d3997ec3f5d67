"""Values of `--model` and `--checkpoint`, and errors for files with other content."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import safetensors
import torch

from oodbench.contracts import Needs
from oodbench.errors import MissingExtraError, ModelError, OodbenchError, UnknownNameError, UsageError
from oodbench.registry import Registry
from oodbench.segmenters.checkpoint import convert, read_weights
from oodbench.segmenters.mmsegmentation import MMSegmentationAdapter
from oodbench.segmenters.mmsegmentation.source import ConfigSource, Inference, is_config
from tests.helpers.files import photograph
from tests.helpers.mmseg_networks import build_network, save_checkpoint, write_config, write_network

NAME = "segformer_mit-b0_8xb1-160k_cityscapes-1024x1024"


class Planted:
    """An object that writes a file when its pickle is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def open_with(config: Path, checkpoint: Path, card: Path | None = None) -> Any:
    return MMSegmentationAdapter().open_checkpoint(str(config), checkpoint, card, "cpu")


def test_a_pickle_that_would_run_code_is_an_error(tmp_path: Path) -> None:
    config = write_config(tmp_path, "fcn")
    planted = tmp_path / "planted.pth"
    torch.save({"state_dict": build_network(config).state_dict(), "meta": Planted(tmp_path / "it-ran")}, planted)
    said = r"planted\.pth: contains more than weights \(\w+\.mkdir\).*\nIf you trust .*: oodbench convert \S+ --trust"
    with pytest.raises(ModelError, match=said):
        open_with(config, planted)
    with pytest.raises(ModelError, match="contains more than weights"):
        convert(planted, tmp_path / "out.safetensors", trust=False)
    assert not (tmp_path / "it-ran").exists()
    assert not (tmp_path / "out.safetensors").exists()
    convert(planted, tmp_path / "out.safetensors", trust=True)
    assert (tmp_path / "it-ran").is_dir()


def test_checkpoints_of_the_runner_can_be_converted(tmp_path: Path) -> None:
    from mmengine.logging import MessageHub

    config = write_network(tmp_path, "fcn")
    log = MessageHub("a training")
    log.update_scalar("train/loss", 0.5)
    runner_s = tmp_path / "iter_3.pth"
    save_checkpoint(runner_s, build_network(config), message_hub=log.state_dict())
    with pytest.raises(
        ModelError, match=r"contains more than weights \(mmengine\.logging\.history_buffer\.HistoryBuffer\)"
    ):
        open_with(config, runner_s)
    weights = convert(runner_s, tmp_path / "iter_3.safetensors", trust=True)
    assert weights.classes[:2] == ("road", "sidewalk")
    with safetensors.safe_open(tmp_path / "iter_3.safetensors", "pt") as file:
        assert json.loads(file.metadata()["classes"])[18] == "bicycle"
    networks = [open_with(config, path) for path in (tmp_path / "iter_3.safetensors", config.with_suffix(".pth"))]
    batch = [networks[0].prepare(photograph(1))]
    maps = [network.forward(batch, Needs(class_maps=True)).class_maps.values for network in networks]
    assert torch.equal(*maps)
    with pytest.raises(ModelError, match="the file already exists"):
        convert(runner_s, tmp_path / "iter_3.safetensors", trust=True)


def test_a_checkpoint_of_another_architecture_is_an_error(tmp_path: Path) -> None:
    fcn, other = write_config(tmp_path, "fcn"), write_network(tmp_path, "deeplabv3plus")
    with pytest.raises(ModelError) as caught:
        open_with(fcn, other.with_suffix(".pth"))
    said = str(caught.value)
    assert "deeplabv3plus.pth: not the weights of fcn.py (" in said
    assert " missing: decode_head.convs.0.conv.weight, decode_head.convs.0.bn.weight, " in said
    assert " not expected: decode_head." in said
    assert "Give --model the config that the weights were trained with" in said
    # Correct names, but another width.
    state = torch.load(other.with_suffix(".pth"), weights_only=True)["state_dict"]
    state["decode_head.conv_seg.weight"] = torch.zeros(150, 16, 1, 1)
    torch.save(state, tmp_path / "wide.pth")
    with pytest.raises(
        ModelError, match=r"1 of another shape: decode_head\.conv_seg\.weight \[150, 16, 1, 1\] in the file"
    ):
        open_with(other, tmp_path / "wide.pth")


def test_checkpoints_with_auxiliary_heads_or_wrappers_are_accepted(tmp_path: Path) -> None:
    config = write_network(tmp_path, "fcn")
    state = torch.load(config.with_suffix(".pth"), weights_only=True)["state_dict"]
    state["auxiliary_head.conv_seg.weight"] = torch.zeros(19, 4, 1, 1)
    names = [name for name in state if name.endswith("num_batches_tracked")]
    assert names
    wrapped = {f"module.{name}": value for name, value in state.items() if name not in names}
    torch.save(wrapped, tmp_path / "bare.pth")
    network = open_with(config, tmp_path / "bare.pth")  # its classes are those of the config's dataset
    assert network.classes.name == "cityscapes-19"
    state["decode_head.conv_seg.bias"][3] = torch.nan
    torch.save(state, tmp_path / "broken.pth")
    with pytest.raises(ModelError, match=r"'decode_head\.conv_seg\.bias' holds NaN or infinite weights"):
        open_with(config, tmp_path / "broken.pth")


def test_files_that_are_not_checkpoints_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such file; expected a checkpoint"):
        read_weights(tmp_path / "absent.pth")
    with pytest.raises(ModelError, match="no such file; expected a checkpoint"):
        convert(tmp_path / "absent.pth", tmp_path / "out.safetensors", trust=True)
    for name in ("junk.pth", "junk.safetensors"):
        (tmp_path / name).write_bytes(b"no network")
        with pytest.raises(ModelError, match="not a readable checkpoint"):
            read_weights(tmp_path / name)
    torch.save({"state_dict": {"epoch": 3}}, tmp_path / "empty.pth")
    with pytest.raises(ModelError, match="no weights in it"):
        read_weights(tmp_path / "empty.pth")
    whole = tmp_path / "whole.pth"
    torch.save({"weight": torch.zeros(1000)}, whole)
    whole.write_bytes(whole.read_bytes()[:2000])
    for read in (lambda: read_weights(whole), lambda: convert(whole, tmp_path / "out.safetensors", trust=True)):
        with pytest.raises(ModelError, match="not a readable checkpoint"):
            read()


def test_different_or_missing_class_names_are_errors(tmp_path: Path) -> None:
    config = write_network(tmp_path, "fcn", "test_dataloader['dataset']['type'] = 'ADE20KDataset'")
    with pytest.raises(
        ModelError, match=r"the classes differ: \S+fcn\.pth has cityscapes-19 and \S+fcn\.py has ade20k-150"
    ):
        open_with(config, config.with_suffix(".pth"))
    state = torch.load(config.with_suffix(".pth"), weights_only=True)["state_dict"]
    torch.save(state, tmp_path / "bare.pth")
    with pytest.raises(ModelError, match="19 class maps; expected the 150 of ade20k-150"):
        open_with(config, tmp_path / "bare.pth")
    unknown = write_config(tmp_path, "fcn", "test_dataloader['dataset']['type'] = 'BaseSegDataset'")
    with pytest.raises(ModelError, match=r"neither it nor fcn\.py contains the class names"):
        open_with(unknown, tmp_path / "bare.pth")
    card = tmp_path / "card.toml"
    card.write_text('[classes]\nset = "cityscapes-19"\n')
    assert open_with(unknown, tmp_path / "bare.pth", card).classes.name == "cityscapes-19"


def test_weights_are_found_next_to_the_config(tmp_path: Path) -> None:
    config = write_config(tmp_path, "fcn")
    with pytest.raises(
        ModelError, match=r"no weights; expected --checkpoint FILE, or fcn\.safetensors next to the config"
    ):
        MMSegmentationAdapter().open(str(config), None, "cpu")
    with pytest.raises(ModelError, match=r"--checkpoint x\.pth: --model streets-gmmseg contains its weights"):
        Registry().adapter("streets-gmmseg").open_checkpoint("streets-gmmseg", Path("x.pth"), None, "cpu")


def test_values_of_the_model_option(tmp_path: Path) -> None:
    assert is_config(NAME)
    assert is_config(f"{NAME}:window=768,stride=512")
    assert is_config("my/own.py")
    assert not is_config("streets-gmmseg")
    assert not is_config("hf:nvidia/segformer")
    assert ConfigSource.of(NAME).file().name == f"{NAME}.py"
    assert ConfigSource.of(f"{NAME}.py").file().parent.name == "segformer"
    assert ConfigSource.of("C:/a.py:window=768,stride=512x256") == ConfigSource(
        "C:/a.py", Inference(window=(768, 768), stride=(512, 256))
    )
    wrong: dict[str, type[OodbenchError]] = {
        f"{NAME}:windows=768": UnknownNameError,
        f"{NAME}:window=large": UsageError,
        f"{NAME}:window=1x2x3": UsageError,
        f"{NAME}:mode=whole,window=768": UsageError,
        f"{NAME}:mode=half": UsageError,
    }
    for text, error in wrong.items():
        with pytest.raises(error):
            ConfigSource.of(text)
    with pytest.raises(
        ModelError, match=f"no such file, and no config of that name in .*\nCheck the name. The nearest name.* {NAME}"
    ):
        ConfigSource.of("segformer_mit-b0_8xb1-160k_cityscapes-1024x1025").file()
    with pytest.raises(ModelError, match="no such file"):
        ConfigSource.of(str(tmp_path / "absent.py")).file()


def test_windows_without_a_stride_or_with_gaps_are_errors(tmp_path: Path) -> None:
    config = write_network(tmp_path, "fcn")
    with pytest.raises(
        ModelError,
        match=r"neither --model nor the config has the stride\nGive both, for example: --model fcn:window=768,s",
    ):
        MMSegmentationAdapter().open(f"{config}:window=64", None, "cpu")
    with pytest.raises(ModelError, match="leave gaps"):
        MMSegmentationAdapter().open(f"{config}:window=64,stride=96", None, "cpu")


def test_without_mmsegmentation_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert is_config(NAME)
    assert not is_config("streets-gmmseg")
    assert not is_config("network.of-no-known-format")
    for source in (NAME, str(write_config(tmp_path, "fcn"))):
        monkeypatch.setitem(sys.modules, "mmseg", None)
        with pytest.raises(MissingExtraError, match=r"pip install 'oodbench\[mmseg\]'"):
            MMSegmentationAdapter().open_checkpoint(source, tmp_path / "x.pth", None, "cpu")
