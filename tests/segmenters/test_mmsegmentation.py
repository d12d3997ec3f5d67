"""Networks of MMSegmentation: narrow variants of its configs with random weights, saved by MMEngine."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from oodbench.contracts import Needs
from oodbench.errors import ModelError
from oodbench.segmenters.mmsegmentation import MMSegmentationAdapter
from oodbench.segmenters.mmsegmentation.shims import import_mmseg, suppress_warnings
from oodbench.testing import AdapterContract
from tests.helpers.files import photograph, save
from tests.helpers.mmseg_networks import build_network, write_config, write_network

PSA_HEAD = (
    "dict(_delete_=True, type='PSAHead', in_channels=64, in_index=3, channels=16, mask_size=(97, 97), num_classes=19)"
)
MY_HEAD = """
import torch
from mmseg.models.decode_heads import FCNHead
from mmseg.registry import MODELS
from oodbench.contracts import Head, HeadCard, HeadOutput, Parameters

class MyHead(Head):
    card = HeadCard("my-head", "", "", "")
    def build(self, channels, classes): return Module(channels, classes)
    def extras(self): return ("density",)
    def training_only(self): return ("memory",)

class Module(torch.nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.layer = torch.nn.Conv2d(channels, classes, 1)
        self.register_buffer("memory", torch.zeros(5))
    def forward(self, features):
        maps = self.layer(features)
        return HeadOutput(maps, features, {"density": maps - 1})

@MODELS.register_module(force=True)
class DensityHead(FCNHead):
    def __init__(self, **options):
        super().__init__(**options)
        self.made_by = MyHead(Parameters())
        self.head = self.made_by.build(self.channels, self.num_classes)
        del self.conv_seg
        self.init_cfg = None
    def cls_seg(self, features): return self.head(features).class_maps
"""
ALL = Needs(class_maps=True, logits=True, features=("penultimate",))
ALL_SUMS = Needs(logits=True, features=("pixel-decoder",))


def open_config(config: Path | str, card: Path | None = None) -> Any:
    return MMSegmentationAdapter().open(str(config), card, "cpu")


class TestFCN(AdapterContract):
    name = "mmsegmentation"

    def make(self, folder: Path) -> str:
        return str(write_network(folder, "fcn"))


class TestSegFormerInWindows(AdapterContract):
    name = "mmsegmentation"

    def make(self, folder: Path) -> str:
        return str(write_network(folder, "segformer"))


class TestMask2Former(AdapterContract):
    name = "mmsegmentation"

    def make(self, folder: Path) -> str:
        return str(write_network(folder, "mask2former"))


@pytest.mark.parametrize("name", ["segformer", "deeplabv3plus", "fcn", "ocrnet", "upernet"])
def test_class_maps_equal_the_network_s_and_follow_from_the_features(tmp_path: Path, name: str) -> None:
    config = write_network(tmp_path, name)
    network = open_config(f"{config}:mode=whole")
    batch = [network.prepare(photograph(seed)) for seed in (1, 2)]
    output = network.forward(batch, ALL)
    own = build_network(config)
    with suppress_warnings(), torch.inference_mode():
        data = own.data_preprocessor({"inputs": [torch.from_numpy(image).permute(2, 0, 1) for image in batch]}, False)
        theirs = own(data["inputs"], mode="tensor")
    assert output.class_maps.kind == "logits"
    assert output.class_maps.values.shape == (2, 19, *theirs.shape[2:])
    assert torch.equal(output.class_maps.values, theirs)
    assert not torch.allclose(theirs[..., :1, :1], theirs)
    layer = network.classifier()
    again = torch.einsum("cd,ndhw->nchw", layer.weight, output.features["penultimate"]) + layer.bias[:, None, None]
    assert torch.allclose(again, theirs, atol=1e-4 * float(theirs.abs().max()))
    assert network.forward(batch, Needs(features=("stages[0]",))).class_maps is None


def test_heads_without_a_linear_classifier_have_class_maps(tmp_path: Path) -> None:
    config = write_network(tmp_path, "segmenter", "test_dataloader['dataset']['type'] = 'CityscapesDataset'")
    network = open_config(config)
    image = network.prepare(photograph(1))
    output = network.forward([image], Needs(logits=True, features=("stages[0]",)))
    own = build_network(config)
    with suppress_warnings(), torch.inference_mode():
        data = own.data_preprocessor({"inputs": [torch.from_numpy(image).permute(2, 0, 1)]}, False)
        theirs = own(data["inputs"], mode="tensor")
    assert output.class_maps.kind == "logits"
    assert torch.equal(output.class_maps.values, theirs)
    assert network.classifier() is None
    assert "penultimate" not in network.capabilities.features


def test_unnormalised_class_scores_of_windows_are_averaged(tmp_path: Path) -> None:
    config = write_network(tmp_path, "mask2former")
    network = open_config(f"{config}:window=64,stride=64")
    image = network.prepare(photograph(1))
    maps = network.forward([image], ALL_SUMS).class_maps
    assert maps.kind == "sums"
    assert maps.values.shape == (1, 19, 64, 128)
    # These two windows don't overlap, so each equals the output for its half of the image.
    halves = [
        open_config(config).forward([half], ALL_SUMS).class_maps.values for half in (image[:, :64], image[:, 64:])
    ]
    large = [torch.nn.functional.interpolate(half, (64, 64), mode="bilinear") for half in halves]
    assert torch.allclose(maps.values, torch.cat(large, dim=3), atol=1e-6)


@pytest.mark.parametrize("name", ["segformer", "fcn-aligned"])
def test_windows_equal_those_of_mmsegmentation(tmp_path: Path, name: str) -> None:
    config = write_network(tmp_path, name)
    network = open_config(config)
    batch = [network.prepare(photograph(seed)) for seed in (1, 2)]
    output = network.forward(batch, ALL)
    own = build_network(config)
    with suppress_warnings(), torch.inference_mode():
        data = own.data_preprocessor({"inputs": [torch.from_numpy(image).permute(2, 0, 1) for image in batch]}, False)
        theirs = own.slide_inference(data["inputs"], [{"img_shape": (64, 128)} for _ in batch])
    assert output.class_maps.values.shape == (2, 19, 64, 128)
    assert torch.allclose(output.class_maps.values, theirs, atol=1e-6 * float(theirs.abs().max()))
    assert not torch.allclose(theirs, network_whole(config, batch), atol=0.01 * float(theirs.abs().max()))
    # The features are those of each window.
    assert output.windows.size == (64, 128)
    first = output.windows.parts[0]
    assert first.output.class_maps is None
    assert first.output.features["penultimate"].shape[0] == 2


def network_whole(config: Path, batch: list[Any]) -> torch.Tensor:
    maps = open_config(f"{config}:mode=whole").forward(batch, ALL).class_maps.values
    return torch.nn.functional.interpolate(maps, (64, 128), mode="bilinear")


def test_options_replace_the_windows_of_the_config(tmp_path: Path) -> None:
    config = write_network(tmp_path, "fcn")
    whole = open_config(config)
    image = whole.prepare(photograph(1))
    assert whole.describe()["inference"] == "the whole image"
    assert whole.forward([image], ALL).windows is None
    network = open_config(f"{config}:window=64,stride=32x48")
    assert network.digest != whole.digest
    assert network.describe()["inference"].startswith("windows of 64x64 every 32x48 pixels; class maps are averaged on")
    boxes = [(part.top, part.left, part.height, part.width) for part in network.forward([image], ALL).windows.parts]
    assert boxes == [(0, 0, 64, 64), (0, 48, 64, 64), (0, 64, 64, 64)]
    # One window that contains the whole image gives the output for the whole image.
    large = open_config(f"{config}:window=128,stride=96").forward([image], ALL)
    assert large.windows is None
    assert torch.equal(large.class_maps.values, whole.forward([image], ALL).class_maps.values)


def test_images_are_prepared_like_in_the_test_pipeline(tmp_path: Path) -> None:
    config = write_network(tmp_path, "fcn")
    file = save(tmp_path / "photograph.png", photograph(3))
    network = open_config(config)
    import_mmseg("it")
    from mmengine.dataset import Compose
    from mmengine.registry import DefaultScope

    with DefaultScope.overwrite_default_scope("mmseg"):
        steps = [{"type": "LoadImageFromFile"}, {"type": "Resize", "scale": (128, 64), "keep_ratio": True}]
        theirs = Compose([*steps, {"type": "PackSegInputs"}])({"img_path": str(file)})["inputs"]
    assert np.array_equal(network.prepare(photograph(3)).transpose(2, 0, 1), theirs.numpy())
    # Mean and std of ImageNet, red first, in grey levels.
    images, size = network._load_batch(np.full((1, 4, 8, 3), (10, 20, 30), np.uint8))
    assert size == (4, 8)
    expected = [(30 - 123.675) / 58.395, (20 - 116.28) / 57.12, (10 - 103.53) / 57.375]
    assert images[0, :, 0, 0].tolist() == pytest.approx(expected, rel=1e-6)


def test_a_card_replaces_the_preprocessing_and_the_name(tmp_path: Path) -> None:
    config = write_network(tmp_path, "fcn", "test_dataloader['dataset']['pipeline'].insert(1, dict(type='Pad'))")
    with pytest.raises(ModelError, match=r"its test pipeline has the step Pad; expected LoadImageFromFile"):
        open_config(config)
    card = tmp_path / "card.toml"
    card.write_text(
        'name = "mine"\n[expected]\nmiou = 0.5\n[input]\nchannels = "rgb"\ndivide_by = 255.0\nsize = [32, 64]\n'
    )
    network = open_config(config, card)
    assert (network.name, network.expected.miou) == ("mine", 0.5)
    image = network.prepare(photograph(1))
    assert image.shape == (3, 32, 64)
    assert network.forward([image], ALL).class_maps.values.shape == (1, 19, 4, 8)


@pytest.mark.parametrize(
    "line",
    [
        "model['data_preprocessor'] = None",
        "model['data_preprocessor'] = dict(_delete_=True, type='BaseDataPreprocessor')",
    ],
)
def test_a_config_without_normalisation_needs_a_card(tmp_path: Path, line: str) -> None:
    config = write_network(tmp_path, "fcn")
    config.write_text(f"{config.read_text()}\n{line}\n")
    with pytest.raises(ModelError, match=r"it has no model\.data_preprocessor that normalises") as error:
        open_config(config)
    assert "fcn.toml next to the config or the file that --model-card names" in str(error.value)
    # The sections that the message shows are enough.
    sections = str(error.value).split("for example:")[1]
    config.with_suffix(".toml").write_text(sections)
    network = open_config(config)
    image = network.prepare(photograph(1))
    output = network.forward([image], ALL)
    assert output.class_maps.values.shape == (1, 19, 6, 12)
    assert network.describe()["preprocessing"]["divide_by"] == 255


def test_a_card_pads_images_to_a_multiple(tmp_path: Path) -> None:
    config = write_network(tmp_path, "fcn")
    card = tmp_path / "card.toml"
    card.write_text('[input]\nchannels = "rgb"\ndivide_by = 255\nmultiple_of = 64\n')
    network = open_config(config, card)
    output = network.forward([network.prepare(photograph(1, (48, 96)))], ALL)
    assert output.class_maps.values.shape == (1, 19, 6, 12)  # of 8 x 16 cells for 64 x 128 pixels


def test_a_mask_classifier_has_unnormalised_class_scores(tmp_path: Path) -> None:
    config = write_network(tmp_path, "mask2former", "model['data_preprocessor'] = dict(test_cfg=dict(size_divisor=32))")
    network = open_config(config)
    assert network.capabilities.class_maps == "sums"
    assert network.capabilities.lacks(Needs(logits=True)) is None
    assert network.classifier() is None
    image = network.prepare(photograph(1))
    output = network.forward([image], Needs(class_maps=True, features=("pixel-decoder",)))
    maps = output.class_maps.values[0]
    assert output.features["pixel-decoder"].shape == (1, 32, 16, 32)
    # The maps of MMSegmentation before it resizes them.
    own = build_network(config)
    seen: list[Any] = []
    handle = own.decode_head.register_forward_hook(lambda *parts: seen.append(parts[2]))
    with suppress_warnings(), torch.inference_mode():
        data = own.data_preprocessor({"inputs": [torch.from_numpy(image).permute(2, 0, 1)], "data_samples": []}, False)
        own.predict(data["inputs"])
    handle.remove()
    classes, masks = (part[-1][0] for part in seen[0])
    literal = sum(classes.softmax(-1)[q, :19, None, None] * masks[q].sigmoid()[None] for q in range(10))
    assert torch.allclose(maps, literal, atol=1e-6)
    found = network.forward([image], Needs(masks=True))
    assert found.class_maps is None
    assert torch.equal(found.masks.class_logits[0], classes)
    assert torch.equal(found.masks.mask_logits[0], masks)
    with torch.inference_mode():
        again = own.decode_head.cls_embed(found.masks.queries)[0]
    assert torch.allclose(again, classes, atol=1e-5), "the queries are what the class layer reads"
    assert output.masks is None


def test_masks_belong_to_windows_and_have_no_padding(tmp_path: Path) -> None:
    config = write_network(tmp_path, "mask2former", "model['data_preprocessor'] = dict(test_cfg=dict(size_divisor=32))")
    network = open_config(f"{config}:window=48x64,stride=32x48")
    image = network.prepare(photograph(1))
    output = network.forward([image], Needs(masks=True))
    assert output.masks is None
    for part in output.windows.parts:
        assert part.output.class_maps is None
        assert part.output.masks.class_logits.shape == (1, 10, 20)
        assert part.output.masks.mask_logits.shape == (1, 10, 12, 16)
    pad = "model['data_preprocessor'] = dict(test_cfg=dict(size_divisor=96))"
    (tmp_path / "padded").mkdir()
    network = open_config(write_network(tmp_path / "padded", "mask2former", pad))
    output = network.forward([image], Needs(class_maps=True, masks=True))
    assert output.windows is None
    assert output.masks.mask_logits.shape == (1, 10, 16, 32), "96 x 192 pixels have 24 x 48 cells"
    assert output.class_maps.values.shape == (1, 19, 16, 32)


def test_padding_is_removed(tmp_path: Path) -> None:
    pad = "model['data_preprocessor'] = dict(test_cfg=dict(size_divisor=48))"
    config = write_network(tmp_path, "fcn", pad)
    network = open_config(config)
    image = network.prepare(photograph(1))
    images, size = network._load_batch(image[None])
    assert (images.shape, size) == ((1, 3, 96, 144), (64, 128))
    output = network.forward([image], ALL)
    with torch.inference_mode():
        padded = network._network(images, mode="tensor")
    # 64 and 128 pixels are exactly 8 and 16 cells.
    assert padded.shape == (1, 19, 12, 18)
    assert torch.equal(output.class_maps.values, padded[..., :8, :16])


def test_outputs_of_a_head_of_the_registry(tmp_path: Path) -> None:
    (tmp_path / "my_head.py").write_text(MY_HEAD)
    more = "custom_imports = dict(imports=['my_head'], allow_failed_imports=False)\nmodel['decode_head']['type'] = "
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(tmp_path))
        config = write_network(tmp_path, "fcn", more + "'DensityHead'")
        state = torch.load(config.with_suffix(".pth"), weights_only=True)
        assert state["state_dict"].pop("decode_head.head.memory").shape == (5,)
        torch.save(state, config.with_suffix(".pth"))
        network = open_config(config)
    assert network.capabilities.extras == ("density",)
    assert network.describe()["class maps"].startswith("logits of the head 'my-head'")
    needs = Needs(class_maps=True, features=("penultimate",), extras=("density",))
    output = network.forward([network.prepare(photograph(1))], needs)
    assert torch.equal(output.extras["density"], output.class_maps.values - 1)
    assert output.features["penultimate"].shape == (1, 16, 8, 16)


def test_classes_in_another_order_are_reordered(tmp_path: Path) -> None:
    reverse = (
        "test_dataloader['dataset']['metainfo'] = dict(classes=('bicycle', 'motorcycle', 'train', 'bus', 'truck', "
    )
    reverse += "'car', 'rider', 'person', 'sky', 'terrain', 'vegetation', 'traffic sign', 'traffic light', 'pole', "
    reverse += "'fence', 'wall', 'building', 'sidewalk', 'road'))"
    plain = open_config(write_network(tmp_path, "fcn"))
    image = plain.prepare(photograph(1))
    (tmp_path / "other").mkdir()
    other = write_config(tmp_path / "other", "fcn", reverse)
    torch.save(torch.load(tmp_path / "fcn.pth", weights_only=True)["state_dict"], other.with_suffix(".pth"))
    turned = open_config(other)
    assert turned.classes == plain.classes
    maps = [network.forward([image], ALL).class_maps.values for network in (plain, turned)]
    assert torch.equal(maps[0].flip(1), maps[1])
    assert torch.equal(plain.classifier().weight.flip(0), turned.classifier().weight)


def test_the_softmax_head_of_the_registry_has_a_linear_classifier(tmp_path: Path) -> None:
    more = (
        "custom_imports = dict(imports=['oodbench.segmenters.mmsegmentation.decoders'])\n"
        "model['decode_head'].update(type='OodbenchHead', decoder='FCNHead', head=dict(name='softmax'))\n"
        "model['auxiliary_head'] = None"
    )
    network = open_config(write_network(tmp_path, "fcn", more))
    output = network.forward([network.prepare(photograph(1))], ALL)
    layer = network.classifier()
    made = torch.einsum("cd,ndhw->nchw", layer.weight, output.features["penultimate"]) + layer.bias[:, None, None]
    assert torch.allclose(made, output.class_maps.values, atol=1e-5)


def test_unsupported_networks_are_errors_with_the_reason(tmp_path: Path) -> None:
    cases = {
        "model['type'] = 'SegFormr'": "the network can't be built",
        f"model['decode_head'] = {PSA_HEAD}": r"can't be run \(NotImplementedError: psamask_forward is compiled code",
        "model['decode_head']['num_classes'] = 7": "7 class maps; expected the 19 of cityscapes-19",
        "test_dataloader['dataset']['type'] = 'ADE20KDataset'": "19 class maps; expected the 150 of ade20k-150",
    }
    for number, (more, said) in enumerate(cases.items()):
        (tmp_path / str(number)).mkdir()
        config = write_config(tmp_path / str(number), "fcn", more)
        network = build_network(write_config(tmp_path, "fcn", more if "num_classes" in more else ""))
        torch.save(network.state_dict(), config.with_suffix(".pth"))
        with pytest.raises(ModelError, match=said):
            open_config(config)
    broken = tmp_path / "broken.py"
    broken.write_text("model = dict(")
    with pytest.raises(ModelError, match=r"not a readable config \(SyntaxError"):
        MMSegmentationAdapter().open_checkpoint(str(broken), config.with_suffix(".pth"), None, "cpu")
    broken.write_text("models = 1")
    with pytest.raises(ModelError, match="no 'model' in it"):
        MMSegmentationAdapter().open_checkpoint(str(broken), config.with_suffix(".pth"), None, "cpu")


def test_a_config_is_not_changed(tmp_path: Path) -> None:
    from oodbench.segmenters.mmsegmentation.config import NetworkConfig
    from oodbench.segmenters.mmsegmentation.source import Inference

    config = NetworkConfig(write_config(tmp_path, "fcn"), Inference())
    before = copy.deepcopy(config.model)
    config.build()
    assert config.model == before
    assert config.model["backbone"]["norm_cfg"]["type"] == "BN"
    assert config.model["pretrained"] is None
    assert "auxiliary_head" not in config.model
