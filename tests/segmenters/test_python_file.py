"""`--model FILE.py:FUNCTION`: weights, model cards, and errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from oodbench.contracts import Needs
from oodbench.errors import ModelError, PluginError, UnknownNameError, UsageError
from oodbench.planning.resolve import ModelSource
from oodbench.registry import Registry
from oodbench.segmenters.mmsegmentation.source import is_config
from oodbench.segmenters.python_file import PythonFileAdapter
from oodbench.testing import AdapterContract
from tests.helpers.files import photograph

CARD = """CARD = {
    "input": {"channels": "bgr", "divide_by": 255.0},
    "classes": {"set": "cityscapes-19"},
    "outputs": {"class_maps": "maps", "classifier": "head", "features": {"first": "layers.0"}},
}
"""
NET = """
from torch import nn
from blocks import layers

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = layers()
        self.head = nn.Conv2d(8, 19, 1)
    def forward(self, x):
        return {"maps": self.head(self.layers(x)), "more": x}

def build():
    return Net()
"""
BLOCKS = """
from torch import nn
def layers():
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())
"""


def write(folder: Path, card: str = CARD, net: str = NET, blocks: str = BLOCKS) -> str:
    """Write the file, a neighbouring module and a checkpoint of random weights; return the value of --model."""
    folder.mkdir(exist_ok=True)
    (folder / "net.py").write_text(card + net)
    (folder / "blocks.py").write_text(blocks)
    torch.manual_seed(0)
    layer, head = torch.nn.Conv2d(3, 8, 3), torch.nn.Conv2d(8, 19, 1)
    state = {f"layers.0.{name}": value for name, value in layer.state_dict().items()}
    state |= {f"head.{name}": value for name, value in head.state_dict().items()}
    torch.save({"state_dict": state}, folder / "net.pth")
    return f"{folder / 'net.py'}:build"


def open_source(source: str, checkpoint: Path | None = None, card: Path | None = None) -> Any:
    adapter = Registry().adapter(source)
    assert isinstance(adapter, PythonFileAdapter)
    if checkpoint is None:
        return adapter.open(source, card, "cpu")
    return adapter.open_checkpoint(source, checkpoint, card, "cpu")


class TestPythonFile(AdapterContract):
    name = "python-file"

    def make(self, folder: Path) -> str:
        return write(folder)


def test_the_weights_are_those_of_the_checkpoint(tmp_path: Path) -> None:
    network = open_source(write(tmp_path))
    state = torch.load(tmp_path / "net.pth", weights_only=True)["state_dict"]
    assert network.name == "net"
    assert torch.equal(network.classifier().weight, state["head.weight"][:, :, 0, 0])
    output = network.forward([network.prepare(photograph(1))], Needs(logits=True, features=("first", "penultimate")))
    assert output.class_maps.values.shape == (1, 19, 48, 96)
    blue_first = torch.from_numpy(photograph(1)[:, :, ::-1].copy()).permute(2, 0, 1)[None].float() / 255
    first = torch.nn.functional.conv2d(blue_first, state["layers.0.weight"], state["layers.0.bias"], padding=1)
    assert torch.allclose(output.features["first"], first, atol=1e-5)
    assert torch.allclose(output.features["penultimate"], first.relu(), atol=1e-5)
    # The network is the same with another file name and format.
    other = tmp_path / "other.safetensors"
    safetensors.torch.save_file({name: value.contiguous() for name, value in state.items()}, other)
    again = open_source(f"{tmp_path / 'net.py'}:build", other)
    assert again.digest == network.digest
    assert again.describe()["checkpoint"] == str(other)
    assert network.reusable


def test_neighbouring_files_are_importable_and_part_of_the_digest(tmp_path: Path) -> None:
    plain = open_source(write(tmp_path / "a"))
    same = open_source(write(tmp_path / "b"))
    swapped = open_source(write(tmp_path / "c", blocks=BLOCKS.replace("ReLU", "GELU")))
    noted = open_source(write(tmp_path / "d", net=NET + "# a note\n"))
    assert plain.digest == same.digest
    assert len({plain.digest, swapped.digest, noted.digest}) == 3
    assert type(swapped._module.layers[1]).__name__ == "GELU", "the neighbour of another folder is another module"
    assert type(open_source(write(tmp_path / "a"))._module.layers[1]).__name__ == "ReLU"


def test_a_card_is_read_from_the_neighbouring_file_or_the_option(tmp_path: Path) -> None:
    source = write(tmp_path, card="")
    with pytest.raises(ModelError, match=r"net.py: no CARD in it, and no net.toml next to it"):
        open_source(source)
    text = 'name = "Mine"\n[input]\nchannels = "rgb"\ndivide_by = 255\n[classes]\nset = "cityscapes-19"\n'
    text += '[outputs]\nclass_maps = "maps"\n[windows]\nsize = [32, 64]\nstride = [16, 32]\n[expected]\nmiou = 0.7\n'
    (tmp_path / "net.toml").write_text(text)
    network = open_source(source)
    assert (network.name, network.expected.miou, network.classifier()) == ("Mine", 0.7, None)
    output = network.forward([network.prepare(photograph(1))], Needs(logits=True))
    assert len(output.windows.parts) == 4
    write(tmp_path)
    with pytest.raises(ModelError, match=r"it has a CARD, and .*net.toml exists, too"):
        open_source(source)
    (tmp_path / "net.toml").rename(tmp_path / "card.toml")
    assert open_source(source).name == "net"
    assert open_source(source, card=tmp_path / "card.toml").name == "Mine"


@pytest.mark.parametrize(
    ("net", "card", "function", "error", "said"),
    [
        (NET, CARD, "built", UnknownNameError, "unknown function of .*net.py 'built'. Did you mean 'build'"),
        (NET, CARD, "CARD", ModelError, "'CARD' is a dict; expected a function"),
        (NET.replace("return Net()", "return 1 / 0"), CARD, "build", ModelError,
         r"net.py:19: build\(\) failed \(ZeroDivisionError: division by zero\)"),
        (NET.replace("return Net()", "return Net"), CARD, "build", ModelError, r"build\(\) returns a type; expected"),
        (NET + "\nraise OSError('gone')", CARD, "build", ModelError, r"net.py:21: it can't be imported \(OSEr"),
        (NET + "\nimport no_such_module", CARD, "build", PluginError, "net.py:21: needs the module .no_such_mod"),
        (NET + "\ndef (", CARD, "build", ModelError, "can't be read as Python"),
        (NET, CARD.replace('"input"', '"inputs"'), "build", ModelError, "net.py: CARD: .*inputs"),
        (NET, "CARD = dict(name='a')\n", "build", ModelError, "net.py:1: CARD is not a literal"),
        (NET.replace("self.head", "self.tail"), CARD, "build", ModelError,
         r"net.pth: not the weights of .*net.py:build \(2 of 4 fit; 2 missing: tail.weight, tail.bias; 2 not expec"),
        (NET, CARD.replace('"head"', '"tail"'), "build", UnknownNameError, "unknown layer of net 'tail'"),
    ],
)  # fmt: skip
def test_invalid_functions_and_cards_are_errors_with_the_location(
    tmp_path: Path, net: str, card: str, function: str, error: type[Exception], said: str
) -> None:
    write(tmp_path, card, net)
    with pytest.raises(error, match=said):
        open_source(f"{tmp_path / 'net.py'}:{function}")


def test_pickles_are_not_run(tmp_path: Path) -> None:
    source = write(tmp_path)
    torch.save({"state_dict": Path("x")}, tmp_path / "net.pth")
    with pytest.raises(ModelError, match="contains more than weights"):
        open_source(source)


def test_each_adapter_accepts_its_sources(tmp_path: Path) -> None:
    adapter = PythonFileAdapter()
    assert adapter.accepts("net.py:build")
    for other in ("net.py", "net.py:window=768", "net.py:mode=whole", "net.onnx", "net.py:a.b", "net.py:"):
        assert not adapter.accepts(other)
    assert not is_config("net.py:build")
    assert is_config("net.py")
    assert is_config("net.py:window=768")
    with pytest.raises(ModelError, match=r"absent.py: no such file; expected a Python file with the function 'build'"):
        adapter.open(str(tmp_path / "absent.py:build"), None, "cpu")
    with pytest.raises(UsageError, match=r"no adapter accepts this.*FILE.py:FUNCTION, which returns a torch module"):
        Registry().adapter("net.unknown")


def test_a_plan_records_the_file_as_an_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert ModelSource("net.py:build").recorded() == f"{tmp_path / 'net.py'}:build"
    assert ModelSource("net.py:window=8").recorded() == f"{tmp_path / 'net.py'}:window=8"
    assert ModelSource("absent.py:build").recorded() == "absent.py:build"


class TestPosteriors(AdapterContract):
    name = "python-file"

    def make(self, folder: Path) -> str:
        card = CARD.replace('"class_maps": "maps"', '"class_maps": "maps", "class_maps_are": "posteriors"')
        return write(folder, card, NET.replace("self.head(self.layers(x))", "self.head(self.layers(x)).softmax(1)"))
