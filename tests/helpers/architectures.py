"""Small variants of the architectures in MMSegmentation's wheel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from torch import nn

import oodbench.segmenters.mmsegmentation.mask2former  # noqa: F401  # registers, and so do the decoders
from oodbench.segmenters.mmsegmentation.custom_head import ModuleWithHead
from oodbench.segmenters.mmsegmentation.shims import import_mmseg

WHEEL = Path(str(import_mmseg("the tests").__file__)).parent / ".mim" / "configs"
CLASSES = 19


@dataclass(frozen=True)
class Architecture:
    """Small variant of an architecture.

    Attributes:
        small: Config of the smallest variant in the wheel.
        smaller: Values that replace the config's, so that a step takes a moment.
    """

    small: str
    smaller: Mapping[str, Any] = field(default_factory=dict)


_FEW = {"decode_head.channels": 16, "auxiliary_head.channels": 8}
ARCHITECTURES: Mapping[str, Architecture] = {
    "fcn": Architecture("fcn/fcn_r18-d8_4xb2-80k_cityscapes-512x1024.py", _FEW),
    "deeplabv3plus": Architecture(
        "deeplabv3plus/deeplabv3plus_r18-d8_4xb2-80k_cityscapes-512x1024.py",
        _FEW,
    ),
    "ocrnet": Architecture(
        "ocrnet/ocrnet_hr18s_4xb2-80k_cityscapes-512x1024.py",
        {f"backbone.extra.stage{stage}.num_blocks": (1,) * stage for stage in (1, 2, 3, 4)}
        | {"backbone.extra.stage3.num_modules": 1, "backbone.extra.stage4.num_modules": 1},
    ),
    # The wheel has no small one for Cityscapes.
    "upernet-swin": Architecture(
        "swin/swin-tiny-patch4-window7-in1k-pre_upernet_8xb2-160k_ade20k-512x512.py",
        _FEW | {"backbone.depths": [1, 1, 1, 1]},
    ),
    "segformer": Architecture(
        "segformer/segformer_mit-b0_8xb1-160k_cityscapes-1024x1024.py",
        {"backbone.num_layers": [1, 1, 1, 1], "decode_head.channels": 16},
    ),
}
MASK2FORMER = Architecture(
    "mask2former/mask2former_swin-t_8xb2-90k_cityscapes-512x1024.py",
    {
        "backbone.depths": [1, 1, 1, 1],
        "decode_head.pixel_decoder.encoder.num_layers": 1,
        "decode_head.transformer_decoder.num_layers": 2,
        "decode_head.num_queries": 30,
        "decode_head.train_cfg.num_points": 256,
    },
)


def config(name: str, head: Mapping[str, Any] | None) -> Any:
    """Return the model of a config, with one of our heads on its decoder if `head` is given."""
    per_pixel = name in ARCHITECTURES
    architecture = ARCHITECTURES[name] if per_pixel else MASK2FORMER
    whole = Config.fromfile(WHEEL / architecture.small)
    whole.merge_from_dict({f"model.{key}": value for key, value in architecture.smaller.items()})
    model = whole.model
    if per_pixel:
        model.pretrained = None
    model.backbone.init_cfg = None
    decoders = model.decode_head if isinstance(model.decode_head, list) else [model.decode_head]
    if not per_pixel:
        if head is not None:
            decoders[0].update(type="OodbenchMask2Former", head=dict(head))
        return model
    for decoder in (*decoders, *filter(None, [model.get("auxiliary_head")])):
        decoder.num_classes = CLASSES
    if head is not None:
        decoders[-1].update(type="OodbenchHead", decoder=decoders[-1].type, head=dict(head))
    return model


def build(model: Any) -> nn.Module:
    """Build the network in training mode, with the random weights of torch."""
    from mmseg.registry import MODELS

    with DefaultScope.overwrite_default_scope("mmseg"):
        network = MODELS.build(model)
    revert_sync_batchnorm(network)
    trained: nn.Module = network.train()
    return trained


def find_decoder(network: Any) -> ModuleWithHead:
    """Return the decoder with one of our heads."""
    decoder = network.decode_head[-1] if isinstance(network.decode_head, nn.ModuleList) else network.decode_head
    assert isinstance(decoder, ModuleWithHead)
    return decoder


def batch(size: tuple[int, int] = (64, 64), count: int = 2) -> tuple[torch.Tensor, Sequence[Any]]:
    """Return normalised images [N, 3, h, w] and samples with labels, some of which are void."""
    from mmseg.structures import SegDataSample

    generator = torch.Generator().manual_seed(6)
    labels = torch.randint(0, CLASSES, (count, 1, size[0] // 8, size[1] // 8), generator=generator)
    labels = labels.repeat_interleave(8, dim=2).repeat_interleave(8, dim=3)  # squares
    labels[:, :, :4] = 255
    samples = []
    for label in labels:
        sample = SegDataSample(metainfo={"img_shape": size, "ori_shape": size})
        sample.gt_sem_seg = PixelData(data=label)
        samples.append(sample)
    return torch.randn(count, 3, *size, generator=generator), samples
