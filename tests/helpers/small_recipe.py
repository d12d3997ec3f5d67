"""A recipe of an architecture of MMSegmentation whose training takes seconds."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from oodbench.contracts import Roots
from oodbench.progress import Silent
from oodbench.training.catalogue import find_recipe
from oodbench.training.train import Options, train

PLUGINS = (Path(__file__).parent / "block_plugins.py", Path(__file__).parent / "failing_frames.py")
QUIET = [
    pytest.mark.filterwarnings("ignore::UserWarning:mmseg.*"),
    # MMEngine finds out by pkg_resources what is installed.
    pytest.mark.filterwarnings("ignore:pkg_resources is deprecated"),
]
"""For the tests of a file: warnings of libraries."""

SMALL = """
base = "streets-segformer{head}"
title = "a small SegFormer"

[network]
"backbone.embed_dims" = {{ value = 8, source = "ours" }}
"backbone.num_layers" = {{ value = [1, 1, 1, 1], source = "ours" }}
"decode_head.in_channels" = {{ value = [8, 16, 40, 64], source = "ours" }}
"decode_head.channels" = {{ value = 16, source = "ours" }}
{network}

[data]
dataset = {{ value = "blocks", source = "ours" }}
validation_frames = {{ value = 2, source = "ours" }}
scale = {{ value = [96, 64], source = "ours" }}
crop = {{ value = [64, 64], source = "ours" }}
batch = {{ value = 2, source = "ours" }}

[schedule]
iterations = {{ value = 6, source = "ours" }}
warmup = {{ value = 2, source = "ours" }}
validate_every = {{ value = 4, source = "ours" }}
checkpoint_every = {{ value = 2, source = "ours" }}

[inference]
scale = {{ value = [96, 64], source = "ours" }}
"""
MEMORY = '\n[head.parameters]\nmemory = { value = 30, source = "ours" }\n'


def recipe(folder: Path, head: str = "-gmmseg", network: str = "", more: str = "") -> Path:
    """A file with it."""
    folder.mkdir(exist_ok=True)
    path = folder / "small.toml"
    path.write_text(SMALL.format(head=head, network=network) + (MEMORY if head == "-gmmseg" else "") + more)
    return path


def run(path: Path, out: Path, **options: Any) -> Path:
    return train(find_recipe(str(path)), out, Silent(), roots=Roots(), options=Options(plugins=PLUGINS, **options))


def weights(config: Path) -> Mapping[str, torch.Tensor]:
    return safetensors.torch.load_file(config.with_suffix(".safetensors"))


def same(first: Path, second: Path) -> bool:
    one, other = weights(first), weights(second)
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def command(path: Path, out: Path, *more: str) -> list[str]:
    plugins = [part for plugin in PLUGINS for part in ("--plugin", str(plugin))]
    return [sys.executable, "-m", "oodbench", "train", str(path), "--out", str(out), *plugins, *more]
