"""ONNX networks as exporters write them: types, layouts, fixed sizes, batches, windows and surplus class maps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto

from oodbench.contracts import Needs, Segmenter
from oodbench.errors import ModelError
from oodbench.segmenters.onnx import OnnxAdapter
from oodbench.testing import AdapterContract
from oodbench.types import SegmenterOutput
from tests.helpers.exported_networks import write_card, write_pointwise, write_unet
from tests.helpers.files import CARD, photograph, write_network

ALL = Needs(class_maps=True, logits=True, features=("penultimate",))


def open_network(path: Path, **sections: str) -> Segmenter:
    write_card(path.with_suffix(".toml"), **sections)
    return OnnxAdapter().open(str(path), None, "cpu")


def forward(network: Segmenter, count: int = 1, size: tuple[int, int] = (48, 96)) -> SegmenterOutput:
    return network.forward([network.prepare(photograph(seed, size)) for seed in range(count)], ALL)


def tensors(output: SegmenterOutput) -> list[torch.Tensor]:
    assert output.class_maps is not None
    return [output.class_maps.values, output.features["penultimate"]]


def error_of(path: Path, **sections: str) -> str:
    with pytest.raises(ModelError) as error:
        open_network(path, **sections)
    return str(error.value)


class TestWindowsOfAFixedBatch(AdapterContract):
    name = "onnx"

    def make(self, folder: Path) -> str:
        path = write_pointwise(folder / "fixed.onnx", sides=(3, 32, 40), output_nhwc=True)
        write_card(path.with_suffix(".toml"), more="[windows]\nsize = [32, 40]\nstride = [16, 40]\n")
        return str(path)


@pytest.mark.parametrize(
    ("output_type", "tolerance"),
    [(TensorProto.FLOAT16, 1e-2), (TensorProto.BFLOAT16, 1e-1), (TensorProto.DOUBLE, 0.0)],
)
def test_outputs_of_other_float_types_become_float32(tmp_path: Path, output_type: int, tolerance: float) -> None:
    plain = forward(open_network(write_pointwise(tmp_path / "plain.onnx")), 2)
    output = forward(open_network(write_pointwise(tmp_path / "other.onnx", output_type=output_type)), 2)
    for expected, values in zip(tensors(plain), tensors(output), strict=True):
        assert values.dtype == torch.float32
        assert float((values - expected).abs().max()) <= tolerance


@pytest.mark.parametrize(
    ("input_type", "tolerance"), [(TensorProto.FLOAT16, 1e-2), (TensorProto.DOUBLE, 0.0), (TensorProto.UINT8, 0.0)]
)
def test_an_input_of_another_type_is_fed_in_this_type(tmp_path: Path, input_type: int, tolerance: float) -> None:
    plain, other = tmp_path / "plain.onnx", tmp_path / "other.onnx"
    write_pointwise(plain)
    write_pointwise(other, input_type=input_type)
    section = {"more": ""}
    outputs = []
    for path in (plain, other):
        card = write_card(path.with_suffix(".toml"), **section)
        if input_type == TensorProto.UINT8:
            card.write_text(card.read_text().replace("divide_by = 255", "divide_by = 1"))
        outputs.append(tensors(forward(OnnxAdapter().open(str(path), None, "cpu"))))
    for expected, values in zip(*outputs, strict=True):
        assert float((values - expected).abs().max()) <= tolerance


def test_a_uint8_input_can_not_have_normalised_pixels(tmp_path: Path) -> None:
    path = write_pointwise(tmp_path / "bytes.onnx", input_type=TensorProto.UINT8)
    assert "is uint8, pixel values 0..255\nSet input.divide_by = 1" in error_of(path)


@pytest.mark.parametrize("name", ["INT8", "UINT8", "INT32", "INT64", "BOOL"])
def test_integer_and_boolean_class_maps_are_errors(tmp_path: Path, name: str) -> None:
    path = write_pointwise(tmp_path / "whole.onnx", output_type=TensorProto.DataType.Value(name))
    said = error_of(path)
    assert f"which is tensor({name.lower()}); expected float32" in said
    assert "class indices (argmax)" in said


@pytest.mark.parametrize("name", ["INT32", "BFLOAT16", "STRING"])
def test_an_input_of_an_unusable_type_is_an_error(tmp_path: Path, name: str) -> None:
    path = write_pointwise(tmp_path / "whole.onnx", input_type=TensorProto.DataType.Value(name))
    with pytest.raises(ModelError, match=r"expected float32, float16, float64 or uint8|can be run"):
        open_network(path)


def test_one_class_map_is_taken_for_class_indices(tmp_path: Path) -> None:
    said = error_of(write_pointwise(tmp_path / "argmax.onnx", classes=1))
    assert "argmax.onnx outputs 1 class maps\nOne map often has class indices (argmax)" in said


def test_ignored_class_maps_are_removed_before_the_order_is_applied(tmp_path: Path) -> None:
    path = write_pointwise(tmp_path / "twenty.onnx", classes=20)
    last = tensors(forward(open_network(path, classes="ignore = [19]")))[0]
    nineteen = tensors(forward(open_network(write_pointwise(tmp_path / "nineteen.onnx"))))[0]
    assert torch.equal(last, nineteen)
    network = open_network(path, classes="ignore = [0]")
    first = tensors(forward(network))[0]
    assert torch.equal(first[:, :18], nineteen[:, 1:])
    order = [network.classes.names[-1], *network.classes.names[:-1]]
    turned = tensors(forward(open_network(path, classes=f"ignore = [0]\norder = {order}")))[0]
    assert torch.equal(turned, first.roll(-1, dims=1))


def test_posteriors_without_an_ignored_class_add_up_to_one(tmp_path: Path) -> None:
    path = write_pointwise(tmp_path / "twenty.onnx", classes=20)
    logits = tensors(forward(open_network(path, classes="ignore = [19]")))[0]
    model = onnx.load(path)
    model.graph.node[-1].output[0] = "raw"
    model.graph.node.append(onnx.helper.make_node("Softmax", ["raw"], ["logits"], axis=1))
    onnx.save(model, path)
    network = open_network(path, classes="ignore = [19]", outputs='class_maps_are = "posteriors"')
    posteriors = network.forward([network.prepare(photograph(0))], Needs(class_maps=True)).class_maps
    assert posteriors is not None
    assert torch.allclose(posteriors.values, logits.softmax(dim=1), atol=1e-6)


@pytest.mark.parametrize("ignore", ["[20]", "[3, 3]", "[-1]", "[1, 2]"])
def test_indices_that_the_network_does_not_have_are_errors(tmp_path: Path, ignore: str) -> None:
    said = error_of(write_pointwise(tmp_path / "twenty.onnx", classes=20), classes=f"ignore = {ignore}")
    assert "classes.ignore" in said


def test_surplus_class_maps_are_an_error_that_names_the_field(tmp_path: Path) -> None:
    said = error_of(write_pointwise(tmp_path / "twenty.onnx", classes=20))
    assert "20 class maps" in said
    assert "classes.ignore = [19]" in said


def test_ignored_class_maps_that_do_not_exist_are_named_in_the_remedy(tmp_path: Path) -> None:
    said = error_of(write_pointwise(tmp_path / "nineteen.onnx"), classes="ignore = [19]")
    assert "19 class maps\nOmit classes.ignore" in said
    assert "classes.set to" not in said


def test_features_that_are_declared_as_class_maps_are_named_in_the_remedy(tmp_path: Path) -> None:
    write_network(tmp_path / "net.onnx", classes=19)
    (tmp_path / "net.toml").write_text(CARD.replace('class_maps = "logits"', 'class_maps = "features"'))
    with pytest.raises(ModelError, match=r"set outputs\.class_maps to another output: .*logits"):
        OnnxAdapter().open(str(tmp_path / "net.onnx"), None, "cpu")


@pytest.mark.parametrize("fixed", [1, 3])
def test_a_fixed_batch_size_accepts_batches_of_any_size(tmp_path: Path, fixed: int) -> None:
    plain = open_network(write_pointwise(tmp_path / "plain.onnx"))
    network = open_network(write_pointwise(tmp_path / "fixed.onnx", sides=(fixed, "h", "w")))
    for count in (1, 2, 3, 4):
        for expected, values in zip(tensors(forward(plain, count)), tensors(forward(network, count)), strict=True):
            assert torch.equal(values, expected)


@pytest.mark.parametrize("sides", [("n", "h", "w"), (1, 48, 96), (2, "h", 96)])
@pytest.mark.parametrize(("input_nhwc", "output_nhwc"), [(True, True), (True, False), (False, True)])
def test_channels_in_the_last_axis_are_recognised(
    tmp_path: Path, sides: tuple[Any, ...], input_nhwc: bool, output_nhwc: bool
) -> None:
    size = "size = [48, 96]"
    plain = forward(open_network(write_pointwise(tmp_path / "plain.onnx"), inputs=size), 2)
    path = write_pointwise(tmp_path / "last.onnx", sides=sides, input_nhwc=input_nhwc, output_nhwc=output_nhwc)
    for expected, values in zip(tensors(plain), tensors(forward(open_network(path, inputs=size), 2)), strict=True):
        assert torch.equal(values, expected)


def test_a_layout_that_the_file_does_not_state_is_declared(tmp_path: Path) -> None:
    path = write_pointwise(tmp_path / "last.onnx", input_nhwc=True, output_nhwc=True, channels=False)
    network = open_network(path)
    with pytest.raises(ModelError, match=r'set input\.layout = "nhwc"'):
        forward(network)
    plain = forward(open_network(write_pointwise(tmp_path / "plain.onnx")))
    for outputs in ("", 'layout = "nhwc"'):  # class maps are recognised by their number
        output = forward(open_network(path, inputs='layout = "nhwc"', outputs=outputs))
        assert torch.equal(tensors(output)[0], tensors(plain)[0])
        assert torch.equal(tensors(output)[1], tensors(plain)[1])


def test_a_declared_layout_that_contradicts_the_file_is_an_error(tmp_path: Path) -> None:
    path = write_pointwise(tmp_path / "first.onnx")
    assert "input.layout is nhwc, but the input 'image'" in error_of(path, inputs='layout = "nhwc"')
    last = write_pointwise(tmp_path / "last.onnx", sides=(1, 48, 96), output_nhwc=True)
    said = error_of(last, inputs="size = [48, 96]", outputs='layout = "nchw"')
    assert "outputs 48 class maps" in said


def test_an_input_without_three_channels_is_an_error(tmp_path: Path) -> None:
    path = write_pointwise(tmp_path / "four.onnx")
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 4
    onnx.save(model, path)
    with pytest.raises(ModelError, match=r"expected 3 channels|can be run"):
        open_network(path)


def test_sides_are_padded_to_a_multiple_and_the_maps_are_cut_back(tmp_path: Path) -> None:
    path = write_unet(tmp_path / "unet.onnx")
    network = open_network(path)
    with pytest.raises(ModelError, match=r"U-Net, set input\.multiple_of = 32"):
        forward(network, size=(90, 158))
    padded = open_network(path, inputs="multiple_of = 32")
    output = forward(padded, size=(90, 158))
    image = padded.prepare(photograph(0, (90, 158)))
    full = np.pad(image, ((0, 0), (0, 6), (0, 2)), mode="edge")
    expected = network.forward([full], ALL)
    for values, whole in zip(tensors(output), tensors(expected), strict=True):
        assert torch.equal(values, whole[..., :45, :79])
    assert torch.equal(tensors(forward(padded, size=(64, 96)))[0], tensors(forward(network, size=(64, 96)))[0])
    assert padded.digest != network.digest


def test_a_fixed_size_can_be_the_padded_size(tmp_path: Path) -> None:
    path = write_pointwise(tmp_path / "fixed.onnx", sides=("n", 64, 96))
    output = forward(open_network(path, inputs="size = [50, 90]\nmultiple_of = 32"))
    assert tensors(output)[0].shape == (1, 19, 50, 90)
    assert "input.size is missing, but fixed.onnx accepts only [64, 96]\nSet input.size = [64, 96]" in error_of(path)


def test_windows_of_a_network_without_context_give_the_whole_image(tmp_path: Path) -> None:
    whole = forward(open_network(write_pointwise(tmp_path / "free.onnx")), 2)
    windows = "[windows]\nsize = [32, 40]\nstride = [20, 32]\n"
    output = forward(open_network(tmp_path / "free.onnx", more=windows), 2)
    assert output.windows is not None
    assert len(output.windows.parts) == 2 * 3
    assert torch.allclose(tensors(output)[0], tensors(whole)[0], atol=1e-5)
    assert torch.allclose(tensors(output)[1], tensors(whole)[1], atol=1e-5)


def test_windows_have_the_fixed_size_of_the_network(tmp_path: Path) -> None:
    path = write_pointwise(tmp_path / "fixed.onnx", sides=("n", 32, 40))
    windows = "[windows]\nsize = [{}]\nstride = [32, 40]\n"
    whole = forward(open_network(write_pointwise(tmp_path / "free.onnx")), size=(24, 96))
    # The image is less high than a window, so it is padded.
    output = forward(open_network(path, more=windows.format("32, 40")), size=(24, 96))
    assert torch.allclose(tensors(output)[0], tensors(whole)[0], atol=1e-5)
    assert "windows.size is (64, 40), but fixed.onnx accepts only [32, 40]" in error_of(
        path, more=windows.format("64, 40")
    )
    assert "leaves no gaps" in error_of(path, more=windows.format("16, 40"))


def test_class_maps_of_windows_are_not_kept(tmp_path: Path) -> None:
    windows = "[windows]\nsize = [24, 24]\nstride = [24, 24]\n"
    network = open_network(write_pointwise(tmp_path / "free.onnx"), more=windows)
    output = network.forward([network.prepare(photograph(0))], Needs(logits=True))
    assert output.windows is not None
    assert all(part.output == SegmenterOutput(None) for part in output.windows.parts)
