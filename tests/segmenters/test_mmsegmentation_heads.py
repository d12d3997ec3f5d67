"""Heads of the registry on decoders of MMSegmentation: outputs, gradients, and invalid options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.registry import DefaultScope
from torch import nn

from oodbench.contracts import Needs
from oodbench.errors import UnknownNameError, UsageError
from oodbench.segmenters.mmsegmentation.decoders import decoder_with_head
from oodbench.segmenters.mmsegmentation.output_readers import make_reader
from tests.helpers.architectures import ARCHITECTURES, CLASSES, batch, build, config, find_decoder

# MMSegmentation warns about its own defaults and deprecated code.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:mmseg.*")
GMMSEG = {"name": "gmmseg", "parameters": {"components": 2, "memory": 40, "mean_momentum": 0.5}}


@pytest.fixture(scope="module", params=list(ARCHITECTURES))
def stepped(request: pytest.FixtureRequest) -> tuple[Any, dict[str, torch.Tensor]]:
    """Return a small variant after the backward pass of one step, and its losses."""
    torch.manual_seed(0)
    network: Any = build(config(request.param, GMMSEG))
    losses = network.loss(*batch())
    network.parse_losses(losses)[0].backward()
    return network, losses


def test_losses_are_finite_and_auxiliary_heads_are_unchanged(stepped: tuple[Any, dict[str, torch.Tensor]]) -> None:
    network, losses = stepped
    mine = "decode_1" if isinstance(network.decode_head, nn.ModuleList) else "decode"
    others = {name for name in losses if not name.startswith(f"{mine}.")}
    assert {f"{mine}.loss_segmentation", f"{mine}.loss_components"} | others == set(losses)
    expected: set[str] = set()
    if mine == "decode_1":
        expected = {"decode_0.loss_ce", "decode_0.acc_seg"}
    elif network.with_auxiliary_head:
        expected = {"aux.loss_ce", "aux.acc_seg"}
    assert others == expected
    assert all(value.isfinite().all() for value in losses.values())
    assert losses[f"{mine}.loss_segmentation"].item() > 1


def test_all_parameters_are_used_and_only_trained_ones_get_gradients(
    stepped: tuple[Any, dict[str, torch.Tensor]],
) -> None:
    network, _ = stepped
    gradients = {name: value.grad for name, value in network.named_parameters() if value.requires_grad}
    assert [name for name, gradient in gradients.items() if gradient is None] == [], "no find_unused_parameters"
    decoder = find_decoder(network)
    (place,) = [name for name, module in network.named_modules() if module is decoder]
    first = next(name for name in gradients if name.startswith("backbone."))
    of_the_decoder = next(name for name in gradients if name.startswith(place) and ".head." not in name)
    head = [f"{place}.head.{name}" for name, _ in decoder.head.named_parameters()]
    assert f"{place}.head.projection.0.weight" in head
    assert f"{place}.head.score_norm.weight" in head
    for name in (first, of_the_decoder, *head):
        gradient = gradients[name]
        assert gradient is not None
        assert float(gradient.abs().max()) > 0, name
    assert not [name for name in gradients if "mixture" in name or name.startswith(f"{place}.conv_seg")]


def test_em_updates_the_mixture_and_class_maps_are_those_of_the_head(
    stepped: tuple[Any, dict[str, torch.Tensor]],
) -> None:
    network, _ = stepped
    decoder = find_decoder(network)
    before = decoder.head.mixture.mean.clone()
    decoder.after_step()
    assert int(decoder.head.mixture.estimations) == 1
    assert not torch.equal(before, decoder.head.mixture.mean)
    images, _ = batch()
    seen: list[Any] = []
    handle = decoder.head.register_forward_hook(lambda module, given, output: seen.append(output))
    with torch.no_grad():
        maps = network.eval()(images, mode="tensor")
        whole = network(images, mode="predict")
        read = make_reader(network, Path("config.py")).read(images, Needs(extras=("component_log_density",))).extras
    handle.remove()
    assert maps.shape[:2] == (2, CLASSES)
    assert torch.equal(maps, seen[0].class_maps)
    assert seen[0].extras["class_log_density"].shape == maps.shape
    assert list(read) == ["component_log_density"]
    assert torch.equal(read["component_log_density"], seen[0].extras["component_log_density"])
    assert whole[0].seg_logits.data.shape == (CLASSES, 64, 64)


def test_the_softmax_head_equals_the_original_classifier() -> None:
    torch.manual_seed(0)
    plain: Any = build(config("fcn", None))
    ours: Any = build(config("fcn", {"name": "softmax"}))
    state = {
        name.replace("decode_head.conv_seg", "decode_head.head.classifier"): value
        for name, value in plain.state_dict().items()
    }
    ours.load_state_dict(state)
    images, samples = batch()
    for network in (plain, ours):
        network.decode_head.dropout = network.auxiliary_head.dropout = None
    theirs, mine = plain.loss(images, samples), ours.loss(images, samples)
    labelled = float(torch.stack([sample.gt_sem_seg.data != 255 for sample in samples]).float().mean())
    # The mean in MMSegmentation includes void pixels.
    expected = theirs["decode.loss_ce"].item() / labelled
    assert mine["decode.loss_segmentation"].item() == pytest.approx(expected, rel=1e-5)
    assert torch.equal(mine["aux.loss_ce"], theirs["aux.loss_ce"])
    with torch.no_grad():
        assert torch.equal(plain.eval()(images, mode="tensor"), ours.eval()(images, mode="tensor"))


def test_the_softmax_head_keeps_dropout() -> None:
    torch.manual_seed(0)
    ours: Any = build(config("fcn", {"name": "softmax"}))
    features = torch.ones(1, 16, 4, 4)
    ours.decode_head.dropout.p = 0.999999
    ours.decode_head.cls_seg(features)
    assert float(ours.decode_head._output.features.abs().max()) == 0


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_losses_of_the_mixture_are_float32_under_autocast(name: str) -> None:
    network: Any = build(config(name, GMMSEG))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = network.loss(*batch())
    assert {value.dtype for value in losses.values()} == {torch.float32}
    network.parse_losses(losses)[0].backward()
    decoder = find_decoder(network)
    assert decoder.head.projection[0].weight.grad.isfinite().all()
    decoder.after_step()
    assert decoder.head.mixture.mean.isfinite().all()


def test_a_head_without_the_hook_is_an_error_with_the_remedy() -> None:
    network: Any = build(config("segformer", GMMSEG))
    network.loss(*batch())
    with pytest.raises(UsageError, match=r'custom_hooks = \[dict\(type="OodbenchHeadHook"\)\]'):
        network.loss(*batch())


def decoder(**changed: Any) -> nn.Module:
    arguments = {"in_channels": 8, "channels": 4, "num_classes": 3, "head": {"name": "softmax"}}
    # Set the scope like a config does, because an earlier test in this process may have left another scope.
    with DefaultScope.overwrite_default_scope("mmseg"):
        return decoder_with_head(**{"decoder": "FCNHead", **arguments, **changed})


def test_batch_norm_is_synchronised_if_the_config_requires_it() -> None:
    made = decoder(head={"name": "gmmseg", "parameters": {"memory": 5}}, norm_cfg={"type": "SyncBN"})
    kinds = [type(module) for module in made.head.modules()]  # type: ignore[union-attr]
    assert nn.SyncBatchNorm in kinds
    assert nn.BatchNorm2d not in kinds


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"decoder": "PointHead"}, "'PointHead': not a decoder"),
        ({"decoder": "FCNHed"}, "'FCNHed': not a decoder"),
        ({"decoder": "ResNet"}, "'ResNet': not a decoder"),
        ({"align_corners": True}, "align_corners=True"),
        ({"ignore_index": 0}, "ignore_index=0: void is 255"),
        ({"sampler": {"type": "OHEMPixelSampler"}}, "sampler"),
        ({"num_classes": 2, "out_channels": 1}, "out_channels=1 for 2 classes"),
        ({"loss_decode": {"type": "DiceLoss"}}, "loss_decode"),
        ({"loss_decode": [{"type": "CrossEntropyLoss"}]}, "loss_decode"),
        ({"loss_decode": {"type": "CrossEntropyLoss", "loss_weight": 0.4}}, "loss_decode"),
        ({"loss_decode": {"type": "CrossEntropyLoss", "class_weight": [1.0, 2.0, 1.0]}}, "loss_decode"),
    ],
)
@pytest.mark.filterwarnings("ignore:threshold is not defined")
def test_options_that_would_be_ignored_are_errors(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        decoder(**changed)


def test_an_unknown_head_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'gmmseg'"):
        decoder(head={"name": "gmseg"})


def test_user_defined_heads_can_be_trained(tmp_path: Path) -> None:
    file = tmp_path / "twice.py"
    file.write_text(
        'PLUGINS = {"heads": {"twice": ("Twice", "twice the softmax head")}}\n'
        "from dataclasses import replace\n"
        "from oodbench.contracts import HeadCard\n"
        "from oodbench.segmenters.softmax_head import SoftmaxHead, SoftmaxModule\n"
        "class Module(SoftmaxModule):\n"
        "    def forward(self, features):\n"
        "        output = super().forward(features)\n"
        "        return replace(output, class_maps=2 * output.class_maps)\n"
        "class Twice(SoftmaxHead):\n"
        '    card = HeadCard("twice", "Twice", "none", "")\n'
        "    def build(self, channels, classes):\n"
        "        return Module(channels, classes)\n"
    )
    made: Any = decoder(head={"name": "twice"}, plugins=[str(file)]).eval()
    features = [torch.randn(1, 8, 4, 4)]
    once = made.head.classifier(made._forward_feature(features))
    assert torch.equal(made(features), 2 * once)
