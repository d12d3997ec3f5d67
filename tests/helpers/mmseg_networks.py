"""Small MMSegmentation networks for tests, from its own configs with fewer channels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from oodbench.segmenters.mmsegmentation.config import NetworkConfig
from oodbench.segmenters.mmsegmentation.source import Inference
from oodbench.types import CITYSCAPES_19

# Resizing of photographs of 48 x 96 to 64 x 128.
PIPELINE = """
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=(128, 64), keep_ratio=True),
    dict(type="LoadAnnotations"),
    dict(type="PackSegInputs"),
]
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
"""
_RESNET = "backbone=dict(depth=18, base_channels=8, stem_channels=8)"
_ATTENTION = "self_attn_cfg=dict(embed_dims=32), ffn_cfg=dict(embed_dims=32, feedforward_channels=64)"
CONFIGS = {
    "segformer": (
        "segformer/segformer_mit-b0_8xb1-160k_cityscapes-1024x1024.py",
        "model = dict(backbone=dict(embed_dims=8, num_layers=[1, 1, 1, 1]),"
        " decode_head=dict(in_channels=[8, 16, 40, 64], channels=32),"
        " test_cfg=dict(crop_size=(48, 64), stride=(32, 32)))",
    ),
    "deeplabv3plus": (
        "deeplabv3plus/deeplabv3plus_r18-d8_4xb2-80k_cityscapes-512x1024.py",
        f"model = dict({_RESNET}, decode_head=dict(in_channels=64, channels=16, c1_in_channels=8, c1_channels=8))",
    ),
    "fcn": (
        "fcn/fcn_r18-d8_4xb2-80k_cityscapes-512x1024.py",
        f"model = dict({_RESNET}, decode_head=dict(in_channels=64, channels=16))",
    ),
    "fcn-aligned": (
        "fcn/fcn_r18-d8_4xb2-80k_cityscapes-769x769.py",
        f"model = dict({_RESNET}, decode_head=dict(in_channels=64, channels=16),"
        " test_cfg=dict(crop_size=(49, 65), stride=(30, 41)))",
    ),
    "ocrnet": (
        "ocrnet/ocrnet_r101-d8_8xb2-40k_cityscapes-512x1024.py",
        f"_common = dict(dropout_ratio=0.1, num_classes=19, norm_cfg=dict(type='SyncBN'))\nmodel = dict({_RESNET},"
        " decode_head=[dict(type='FCNHead', in_channels=32, in_index=2, channels=8, num_convs=1, **_common),"
        " dict(type='OCRHead', in_channels=64, in_index=3, channels=16, ocr_channels=8, **_common)])",
    ),
    "upernet": (
        "upernet/upernet_r18_4xb2-80k_cityscapes-512x1024.py",
        f"model = dict({_RESNET}, decode_head=dict(in_channels=[8, 16, 32, 64], channels=16))",
    ),
    "segmenter": (
        "segmenter/segmenter_vit-t_mask_8xb1-160k_ade20k-512x512.py",
        "model = dict(backbone=dict(img_size=(64, 128), embed_dims=16, num_layers=2, num_heads=2), decode_head=dict("
        "in_channels=16, channels=16, embed_dims=16, num_classes=19, num_layers=1, num_heads=2),"
        " test_cfg=dict(mode='whole'))",
    ),
    "mask2former": (
        "mask2former/mask2former_r50_8xb2-90k_cityscapes-512x1024.py",
        "model = dict(backbone=dict(depth=18, base_channels=8), decode_head=dict("
        "in_channels=[8, 16, 32, 64], feat_channels=32, out_channels=32, num_queries=10,"
        f" pixel_decoder=dict(encoder=dict(num_layers=1, layer_cfg=dict({_ATTENTION})),"
        " positional_encoding=dict(num_feats=16)), positional_encoding=dict(num_feats=16),"
        f" transformer_decoder=dict(num_layers=2, layer_cfg=dict({_ATTENTION}, cross_attn_cfg=dict(embed_dims=32)))))",
    ),
}


def write_config(folder: Path, name: str, more: str = "") -> Path:
    """Write a small variant of a config, with additional lines."""
    base, narrow = CONFIGS[name]
    path = folder / f"{name}.py"
    path.write_text(f'_base_ = "mmseg::{base}"\n{narrow}\n{PIPELINE}{more}\n')
    return path


def build_network(path: Path) -> Any:
    """Build the network of a config with random weights of seed 0."""
    torch.manual_seed(0)
    network = NetworkConfig(path, Inference()).build().eval()
    # Random class maps are nearly flat, so the classifier is changed to differ between classes.
    for module_name, module in network.named_modules():
        if module_name.endswith("conv_seg"):
            torch.nn.init.normal_(module.weight)
    return network


_saved: dict[tuple[str, str], bytes] = {}


def write_network(folder: Path, name: str, more: str = "") -> Path:
    """Write a config with a checkpoint of random weights next to it; return the config."""
    path = write_config(folder, name, more)
    if (name, more) not in _saved:
        save_checkpoint(path.with_suffix(".pth"), build_network(path))
        _saved[name, more] = path.with_suffix(".pth").read_bytes()
    path.with_suffix(".pth").write_bytes(_saved[name, more])
    return path


def save_checkpoint(path: Path, network: Any, **more: Any) -> None:
    """Save a checkpoint with MMEngine's function."""
    from mmengine.runner import save_checkpoint as save

    meta = {"epoch": 1, "iter": 3, "dataset_meta": {"classes": CITYSCAPES_19.names}}
    save({"state_dict": network.state_dict(), "meta": meta, **more}, str(path))
