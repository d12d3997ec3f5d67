"""Weights that a large ONNX network stores in other files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from oodbench.errors import ModelError
from oodbench.segmenters.onnx import OnnxAdapter
from oodbench.segmenters.onnx_weight_files import find_weight_files
from tests.helpers.exported_networks import write_card, write_pointwise


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a network whose weights are in net.onnx.data, and its model card."""
    write_card(tmp_path / "net.toml")
    return write_pointwise(tmp_path / "net.onnx", external="net.onnx.data")


def error_of(path: Path) -> str:
    with pytest.raises(ModelError) as error:
        OnnxAdapter().open(str(path), None, "cpu")
    return str(error.value)


def set_entry(path: Path, key: str, value: str) -> None:
    """Set an entry of the external data of each tensor in a network."""
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in [entry for entry in tensor.external_data if entry.key == key]:
            tensor.external_data.remove(entry)
        tensor.external_data.add(key=key, value=value)
    onnx.save(model, path)


def test_other_weights_are_another_network(path: Path) -> None:
    weights = path.with_suffix(".onnx.data")
    assert find_weight_files(path) == [weights]
    before = OnnxAdapter().open(str(path), None, "cpu").digest
    weights.write_bytes(weights.read_bytes()[::-1])
    assert OnnxAdapter().open(str(path), None, "cpu").digest != before


def test_a_missing_file_is_an_error_that_names_it(path: Path) -> None:
    path.with_suffix(".onnx.data").unlink()
    assert "net.onnx.data: no such file; expected the weights of net.onnx\nCopy it" in error_of(path)


def test_a_truncated_file_is_an_error_that_names_it(path: Path) -> None:
    weights = path.with_suffix(".onnx.data")
    content = weights.read_bytes()
    weights.write_bytes(content[:-1])
    said = error_of(path)
    assert f"net.onnx.data: {len(content) - 1} bytes; expected at least {len(content)}" in said
    assert "truncated" in said


@pytest.mark.parametrize("location", ["../net.onnx.data", "sub/../../net.onnx.data", "/etc/hostname", ""])
def test_a_path_outside_the_folder_is_an_error(path: Path, location: str) -> None:
    set_entry(path, "location", location)
    assert f"its weights are in '{location}'; expected a file in the folder of the network" in error_of(path)


def test_a_checksum_in_the_network_is_checked(path: Path) -> None:
    weights = path.with_suffix(".onnx.data")
    set_entry(path, "checksum", hashlib.sha1(weights.read_bytes(), usedforsecurity=False).hexdigest())
    OnnxAdapter().open(str(path), None, "cpu")
    weights.write_bytes(weights.read_bytes()[::-1])
    assert "net.onnx.data: its SHA-1 checksum differs from the one in net.onnx" in error_of(path)


def test_constants_and_subgraphs_are_searched(tmp_path: Path) -> None:
    def external(name: str) -> onnx.TensorProto:
        tensor = numpy_helper.from_array(np.zeros(2, np.float32), name)
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", f"{name}.bin"), ("offset", "0"), ("length", "8")):
            tensor.external_data.add(key=key, value=value)
        (tmp_path / f"{name}.bin").write_bytes(bytes(8))
        return tensor

    inner = helper.make_graph(
        [helper.make_node("Constant", [], ["y"], value=external("constant"))],
        "inner",
        [],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])],
        [external("initializer")],
    )
    node = helper.make_node("If", ["condition"], ["z"], then_branch=inner, else_branch=inner)
    outer = helper.make_graph(
        [node],
        "outer",
        [helper.make_tensor_value_info("condition", TensorProto.BOOL, [])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, [2])],
    )
    onnx.save(helper.make_model(outer), tmp_path / "net.onnx")
    assert [file.name for file in find_weight_files(tmp_path / "net.onnx")] == ["constant.bin", "initializer.bin"]
