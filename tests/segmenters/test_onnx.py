"""The ONNX adapter: its outputs, and each contradiction between file and card."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from oodbench.contracts import Needs
from oodbench.errors import ModelError, OodbenchError, UsageError
from oodbench.registry import Registry
from oodbench.segmenters.model_card import Preprocessing
from oodbench.segmenters.onnx import OnnxAdapter, OnnxSegmenter
from oodbench.testing import AdapterContract
from tests.helpers.files import CARD, photograph, write_network


def card(tmp_path: Path, *changes: tuple[str, str]) -> Path:
    text = CARD
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "card.toml"
    path.write_text(text)
    return path


class TestOnnx(AdapterContract):
    name = "onnx"

    def make(self, folder: Path) -> str:
        write_network(folder / "tiny.onnx")
        (folder / "tiny.toml").write_text(CARD)
        return str(folder / "tiny.onnx")


def test_outputs_equal_those_of_the_network(network_file: Path) -> None:
    network = OnnxAdapter().open(str(network_file), None, "cpu")
    batch = [network.prepare(photograph(seed)) for seed in (1, 2)]
    assert batch[0].shape == (3, 32, 64)
    output = network.forward(batch, Needs(logits=True, features=("penultimate",)))
    session = onnxruntime.InferenceSession(str(network_file), providers=["CPUExecutionProvider"])
    logits, features = session.run(["logits", "features"], {"image": np.stack(batch)})
    assert output.class_maps is not None
    assert np.array_equal(output.class_maps.values.numpy(), logits)
    assert np.array_equal(output.features["penultimate"].numpy(), features)
    assert network.forward(batch, Needs(logits=True)).features == {}
    assert network.forward(batch, Needs(features=("penultimate",))).class_maps is None


def test_threads_are_limited_and_do_not_spin(network_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    network = OnnxAdapter().open(str(network_file), None, "cpu")
    assert isinstance(network, OnnxSegmenter)
    options = network._session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


@pytest.mark.parametrize("kind", ["posteriors", "sums"])
def test_logits_declared_as_another_kind_are_an_error(network_file: Path, tmp_path: Path, kind: str) -> None:
    changed = card(tmp_path, ("[outputs]", f'[outputs]\nclass_maps_are = "{kind}"'))
    network = OnnxAdapter().open(str(network_file), changed, "cpu")
    image = network.prepare(photograph(1))
    with pytest.raises(
        ModelError, match=rf"class_maps_are is {kind}, but tiny.onnx outputs a value of -.*none below 0"
    ):
        network.forward([image], Needs(class_maps=True))
    network.forward([image], Needs(features=("penultimate",)))


def test_the_card_determines_the_preprocessing() -> None:
    image = photograph(3)
    plain = Preprocessing(channels="rgb", divide_by=255.0).apply(image)
    assert plain.dtype == np.float32
    assert np.allclose(plain, image.transpose(2, 0, 1) / 255)
    full = Preprocessing(channels="bgr", divide_by=1.0, mean=(1.0, 2.0, 3.0), std=(2.0, 4.0, 8.0)).apply(image)
    assert np.allclose(full[0], (image[:, :, 2] - 1.0) / 2)
    assert np.allclose(full[2], (image[:, :, 0] - 3.0) / 8)


@pytest.mark.parametrize("resize", ["bilinear", "nearest", "bicubic", "area", "bilinear-antialias"])
def test_each_interpolation_resizes(resize: str) -> None:
    settings = {"size": (16, 24), "resize": resize, "channels": "rgb", "divide_by": 255.0}
    assert Preprocessing.model_validate(settings).apply(photograph(3)).shape == (3, 16, 24)


def test_classes_in_another_order_are_reordered(network_file: Path, tmp_path: Path) -> None:
    network = OnnxAdapter().open(str(network_file), None, "cpu")
    names = list(network.classes.names)
    order = [names[-1], *names[:-1]]
    turned = OnnxAdapter().open(
        str(network_file), card(tmp_path, ('set = "cityscapes-19"', f'set = "cityscapes-19"\norder = {order}')), "cpu"
    )
    batch = [network.prepare(photograph(1))]
    straight = network.forward(batch, Needs(logits=True)).class_maps
    permuted = turned.forward(batch, Needs(logits=True)).class_maps
    assert straight is not None
    assert permuted is not None
    # According to the card, the network's first map is the last class of the set.
    assert torch.equal(permuted.values[:, -1], straight.values[:, 0])
    assert torch.equal(permuted.values[:, 0], straight.values[:, 1])
    assert network.digest != turned.digest


def test_the_digest_covers_all_that_affects_the_output(network_file: Path, tmp_path: Path) -> None:
    def digest(*changes: tuple[str, str]) -> str:
        return OnnxAdapter().open(str(network_file), card(tmp_path, *changes), "cpu").digest

    assert digest() == digest(('name = "tiny"', 'name = "renamed"'))
    assert digest() != digest(("divide_by = 255.0", "divide_by = 1.0"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('class_maps = "logits"', 'class_maps = "logit"'), "'logit', but tiny.onnx has the outputs logits, features"),
        (('"features" }', '"embedding" }'), "outputs.features.penultimate is 'embedding'"),
        (('set = "cityscapes-19"', 'set = "cityscapes-20"'), "Did you mean 'cityscapes-19'"),
        (('channels = "rgb"', 'channels = "rbg"'), "input.channels is 'rbg': input should be 'rgb' or 'bgr'"),
        (("divide_by = 255.0", "divide_by = 0"), "input.divide_by is 0: input should be greater than 0"),
        (("divide_by = 255.0", ""), "input.divide_by is missing"),
        (("size = [32, 64]", "size = 32"), "input.size is 32: should be a list"),
        (("divide_by", "devide_by"), "input.devide_by is unknown; did you mean divide_by?"),
        (
            ("size = [32, 64]", 'size = [32, 64]\nname = "images"'),
            "input.name is 'images', but tiny.onnx has the inputs image",
        ),
        (('set = "cityscapes-19"', 'set = "cityscapes-19"\norder = ["road"]'), "not a reordering of cityscapes-19"),
        (("[input]", "[input"), "not a readable TOML file"),
    ],
)
def test_a_card_that_does_not_fit_is_an_error_that_names_the_field(
    network_file: Path, tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    with pytest.raises(OodbenchError) as error:
        OnnxAdapter().open(str(network_file), card(tmp_path, change), "cpu")
    assert message in str(error.value)


def test_another_number_of_classes_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "twenty.onnx"
    write_network(path, classes=20)
    with pytest.raises(ModelError, match=r"with 19 classes, but twenty\.onnx outputs 20 class maps"):
        OnnxAdapter().open(str(path), card(tmp_path), "cpu")


def test_missing_and_invalid_files_are_errors(tmp_path: Path, network_file: Path) -> None:
    with pytest.raises(ModelError, match="no such file"):
        OnnxAdapter().open(str(tmp_path / "absent.onnx"), None, "cpu")
    text = tmp_path / "text.onnx"
    text.write_text("no network")
    with pytest.raises(ModelError, match=r"text\.toml: no such model card") as error:
        OnnxAdapter().open(str(text), None, "cpu")
    assert "--model-card" in str(error.value)
    with pytest.raises(ModelError, match="not an ONNX network"):
        OnnxAdapter().open(str(text), card(tmp_path), "cpu")
    with pytest.raises(UsageError, match=r"no adapter accepts this; expected .*FILE\.onnx"):
        Registry().adapter("network.pth")


def test_cuda_without_a_gpu_is_an_error(network_file: Path) -> None:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        assert OnnxAdapter().open(str(network_file), None, "cuda").device == "cuda"
        return
    with pytest.raises(ModelError, match="no CUDA provider"):
        OnnxAdapter().open(str(network_file), None, "cuda")


def test_a_card_that_contradicts_the_fixed_input_size_is_an_error(tmp_path: Path) -> None:
    import onnx

    path = tmp_path / "fixed.onnx"
    write_network(path)
    model = onnx.load(path)
    for axis, value in ((2, 64), (3, 128)):
        dimension = model.graph.input[0].type.tensor_type.shape.dim[axis]
        dimension.ClearField("dim_param")
        dimension.dim_value = value
    onnx.save(model, path)
    with pytest.raises(ModelError, match=r"input\.size is \(32, 64\), but fixed\.onnx accepts only \[64, 128\]"):
        OnnxAdapter().open(str(path), card(tmp_path), "cpu")


def test_weights_in_a_separate_file_are_part_of_the_digest(tmp_path: Path) -> None:
    import onnx

    path = tmp_path / "large.onnx"
    write_network(path)
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="weights[1].bin", size_threshold=0)
    before = OnnxAdapter().open(str(path), card(tmp_path), "cpu").digest
    weights = tmp_path / "weights[1].bin"
    weights.write_bytes(weights.read_bytes()[::-1])
    assert OnnxAdapter().open(str(path), card(tmp_path), "cpu").digest != before
