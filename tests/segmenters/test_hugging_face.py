"""Networks of the transformers library: small ones with random weights, saved by the library."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from oodbench.contracts import Needs
from oodbench.errors import ModelError
from oodbench.registry import Registry
from oodbench.segmenters.hugging_face import TransformersAdapter
from oodbench.testing import AdapterContract
from oodbench.types import CITYSCAPES_19
from tests.helpers.files import photograph

SIZE = {"height": 64, "width": 128}
NAMES = CITYSCAPES_19.names[::-1]
LABELS = {"id2label": dict(enumerate(NAMES)), "label2id": {name: index for index, name in enumerate(NAMES)}}


def swin() -> transformers.SwinConfig:
    stages = ["stage1", "stage2", "stage3", "stage4"]
    return transformers.SwinConfig(
        embed_dim=12, depths=[1] * 4, num_heads=[1, 2, 3, 4], window_size=4, out_features=stages
    )


def segformer(folder: Path) -> str:
    config = transformers.SegformerConfig(
        depths=[1] * 4, hidden_sizes=[8, 16, 24, 32], num_attention_heads=[1, 2, 3, 4], decoder_hidden_size=32, **LABELS
    )
    transformers.SegformerForSemanticSegmentation(config).save_pretrained(folder / "segformer")
    transformers.SegformerImageProcessorPil(size=SIZE).save_pretrained(folder / "segformer")
    return str(folder / "segformer")


def upernet(folder: Path) -> str:
    config = transformers.UperNetConfig(
        backbone_config=swin(), hidden_size=32, auxiliary_channels=16, auxiliary_in_channels=48, **LABELS
    )
    transformers.UperNetForSemanticSegmentation(config).save_pretrained(folder / "upernet")
    transformers.SegformerImageProcessorPil(size=SIZE).save_pretrained(folder / "upernet")
    return str(folder / "upernet")


def mask2former(folder: Path) -> str:
    config = transformers.Mask2FormerConfig(
        backbone_config=swin(), feature_size=32, mask_feature_size=32, hidden_dim=32, encoder_feedforward_dim=64,
        encoder_layers=1, decoder_layers=2, num_attention_heads=4, dim_feedforward=64, num_queries=10, **LABELS
    )  # fmt: skip
    transformers.Mask2FormerForUniversalSegmentation(config).save_pretrained(folder / "mask2former")
    transformers.Mask2FormerImageProcessorPil(size=SIZE).save_pretrained(folder / "mask2former")
    return str(folder / "mask2former")


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_settings_with_a_byte_order_mark_are_read(tmp_path: Path, encoding: str) -> None:
    folder = Path(segformer(tmp_path))
    plain = TransformersAdapter().open(str(folder), None, "cpu")
    for name in ("config.json", "preprocessor_config.json"):
        (folder / name).write_text((folder / name).read_text(encoding="utf-8"), encoding=encoding)
    marked = TransformersAdapter().open(str(folder), None, "cpu")
    assert marked.digest == plain.digest
    assert np.array_equal(marked.prepare(photograph(0)), plain.prepare(photograph(0)))


class TestSegFormer(AdapterContract):
    name = "transformers"

    def make(self, folder: Path) -> str:
        torch.manual_seed(0)
        return segformer(folder)


class TestMask2Former(AdapterContract):
    name = "transformers"

    def make(self, folder: Path) -> str:
        torch.manual_seed(0)
        return mask2former(folder)


@pytest.mark.parametrize("make", [segformer, upernet])
def test_logits_and_features_are_those_of_the_network(tmp_path: Path, make: object) -> None:
    source = make(tmp_path)  # type: ignore[operator]
    network = TransformersAdapter().open(source, None, "cpu")
    batch = [network.prepare(photograph(seed)) for seed in (1, 2)]
    assert batch[0].shape == (3, 64, 128)
    output = network.forward(batch, Needs(logits=True, features=("penultimate",)))
    assert output.class_maps is not None
    assert output.class_maps.kind == "logits"
    # The classifier on the features gives the class maps, in the order of the class set.
    own = transformers.AutoModelForSemanticSegmentation.from_pretrained(source)
    with torch.inference_mode():
        again = own.decode_head.classifier(output.features["penultimate"]).flip(1)
        if make is segformer:  # UperNet resizes its maps to the input's size.
            assert torch.allclose(again, output.class_maps.values, atol=1e-5)
        theirs = own.eval()(pixel_values=torch.from_numpy(np.stack(batch))).logits
    assert torch.allclose(theirs.flip(1), output.class_maps.values, atol=1e-5)
    # UperNet resizes its maps to the input's size.
    layer = network.classifier()
    assert layer is not None
    made = torch.einsum("cd,ndhw->nchw", layer.weight, output.features["penultimate"]) + layer.bias[:, None, None]
    made = torch.nn.functional.interpolate(made, output.class_maps.values.shape[2:], mode="bilinear")
    assert torch.allclose(made, output.class_maps.values, atol=1e-5)
    assert network.forward(batch, Needs(features=("penultimate",))).class_maps is None
    assert network.capabilities.lacks(Needs(masks=True)) is not None


def test_a_mask_classifier_has_unnormalised_class_scores(tmp_path: Path) -> None:
    source = mask2former(tmp_path)
    network = TransformersAdapter().open(source, None, "cpu")
    assert network.capabilities.class_maps == "sums"
    assert network.capabilities.lacks(Needs(logits=True)) is None
    image = network.prepare(photograph(1))
    output = network.forward([image], Needs(class_maps=True, features=("pixel-decoder",)))
    assert output.class_maps is not None
    maps = output.class_maps.values[0]
    assert output.features["pixel-decoder"].shape[1] == 32
    # The maps of the library before it resizes them.
    own = transformers.Mask2FormerForUniversalSegmentation.from_pretrained(source).eval()
    with torch.inference_mode():
        raw = own(pixel_values=torch.from_numpy(image)[None])
    queries = raw.class_queries_logits.softmax(-1)[0, :, :-1]
    masks = raw.masks_queries_logits.sigmoid()[0]
    literal = sum(queries[q][:, None, None] * masks[q][None] for q in range(10))
    assert torch.allclose(literal, maps.flip(0), atol=1e-6)
    found = network.forward([image], Needs(masks=True))
    assert found.class_maps is None
    assert found.masks is not None
    assert found.masks.queries is not None
    assert torch.allclose(found.masks.class_logits[..., :-1].flip(2), raw.class_queries_logits[..., :-1], atol=1e-5)
    assert torch.allclose(found.masks.class_logits[..., -1], raw.class_queries_logits[..., -1], atol=1e-5), "no-object"
    assert torch.allclose(found.masks.mask_logits, raw.masks_queries_logits, atol=1e-5)
    with torch.inference_mode():
        again = own.class_predictor(found.masks.queries)
    assert torch.allclose(again, raw.class_queries_logits, atol=1e-5), "the queries are what the class layer reads"
    assert network.classifier() is None


def test_a_card_supplies_missing_preprocessing_and_classes(tmp_path: Path) -> None:
    source = segformer(tmp_path)
    config = json.loads((tmp_path / "segformer" / "config.json").read_text())
    config["id2label"] = {str(index): f"LABEL_{index}" for index in range(19)}
    (tmp_path / "segformer" / "config.json").write_text(json.dumps(config))
    with pytest.raises(
        ModelError, match=r"its 19 classes \(LABEL_0, LABEL_1, LABEL_2, \.\.\.\) are not those of a class set"
    ):
        TransformersAdapter().open(source, None, "cpu")
    card = tmp_path / "card.toml"
    card.write_text(
        'name = "mine"\n[classes]\nset = "cityscapes-19"\n'
        '[input]\nchannels = "rgb"\ndivide_by = 255.0\nsize = [32, 64]\n[expected]\nmiou = 0.5\n'
    )
    network = TransformersAdapter().open(source, card, "cpu")
    assert (network.name, network.expected.miou) == ("mine", 0.5)
    assert network.prepare(photograph(1)).shape == (3, 32, 64)
    # The preprocessing is part of the network's digest.
    card.write_text(card.read_text().replace("[32, 64]", "[64, 64]"))
    assert TransformersAdapter().open(source, card, "cpu").digest != network.digest


def test_one_error_names_everything_that_is_missing(tmp_path: Path) -> None:
    source = Path(segformer(tmp_path))
    config = json.loads((source / "config.json").read_text())
    config["id2label"] = {str(index): f"LABEL_{index}" for index in range(19)}
    (source / "config.json").write_text(json.dumps(config))
    (source / "preprocessor_config.json").unlink()
    with pytest.raises(ModelError, match=r"no preprocessor_config\.json.*; its 19 classes") as error:
        TransformersAdapter().open(str(source), None, "cpu")
    said = str(error.value)
    assert "segformer.toml next to the folder" in said
    # The sections that the message shows are enough, in a card next to the folder.
    (tmp_path / "segformer.toml").write_text(said.split("For example:")[1])
    for name in (str(source), f"{source}/"):
        network = TransformersAdapter().open(name, None, "cpu")
        assert network.classes == CITYSCAPES_19
        assert network.prepare(photograph(1)).shape == (3, 48, 96)
    other = tmp_path / "other.toml"
    other.write_text('name = "other"\n' + (tmp_path / "segformer.toml").read_text())
    assert TransformersAdapter().open(str(source), other, "cpu").name == "other"


def test_only_the_missing_part_is_named(tmp_path: Path) -> None:
    source = Path(segformer(tmp_path))
    (source / "preprocessor_config.json").unlink()
    with pytest.raises(ModelError, match="no preprocessor_config") as error:
        TransformersAdapter().open(str(source), None, "cpu")
    assert "[input]" in str(error.value)
    assert "[classes]" not in str(error.value)


def test_missing_weights_are_an_error(tmp_path: Path) -> None:
    source = segformer(tmp_path)
    whole = transformers.SegformerForSemanticSegmentation.from_pretrained(source)
    whole.segformer.save_pretrained(tmp_path / "backbone")
    transformers.SegformerImageProcessorPil(size=SIZE).save_pretrained(tmp_path / "backbone")
    config = json.loads((tmp_path / "segformer" / "config.json").read_text())
    (tmp_path / "backbone" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"weights of SegformerForSemanticSegmentation are missing.*decode_head"):
        TransformersAdapter().open(str(tmp_path / "backbone"), None, "cpu")


def test_folders_with_other_content_are_errors(tmp_path: Path) -> None:
    source = Path(segformer(tmp_path))
    for text, said in (("{", "not a readable config"), ('{"model_type": "bert"}', "model_type is 'bert'")):
        (tmp_path / "other").mkdir(exist_ok=True)
        (tmp_path / "other" / "config.json").write_text(text)
        with pytest.raises(ModelError, match=said):
            TransformersAdapter().open(str(tmp_path / "other"), None, "cpu")
    weights = source / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match="can't be loaded as"):
        TransformersAdapter().open(str(source), None, "cpu")
    (source / "preprocessor_config.json").unlink()
    segformer(tmp_path / "again")
    (tmp_path / "again" / "segformer" / "preprocessor_config.json").unlink()
    with pytest.raises(ModelError, match="preprocessor_config"):
        TransformersAdapter().open(str(tmp_path / "again" / "segformer"), None, "cpu")


def test_an_unreachable_hub_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    adapter = Registry().adapter("hf:nobody/nothing")
    with pytest.raises(ModelError, match="not in the local cache, and the download failed"):
        adapter.open("hf:nobody/nothing", None, "cpu")
