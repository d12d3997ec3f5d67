"""Recipe of an architecture of MMSegmentation whose training takes seconds."""

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
from oodbench.training.catalogue import load_recipe
from oodbench.training.options import TrainingOptions
from oodbench.training.train import train

PLUGINS = (Path(__file__).parent / "block_plugins.py", Path(__file__).parent / "breaking_head.py")
QUIET = [
    pytest.mark.filterwarnings("ignore::UserWarning:mmseg.*"),
    # MMEngine uses pkg_resources to list installed packages.
    pytest.mark.filterwarnings("ignore:pkg_resources is deprecated"),
]
"""Marks that ignore warnings of libraries, for `pytestmark`."""

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


def write_recipe(folder: Path, head: str = "-gmmseg", network: str = "", more: str = "") -> Path:
    """Write the recipe to a file and return its path.

    Args:
        folder: Folder of the file.
        head: Suffix of the base's name: `-gmmseg` or nothing.
        network: Lines for the section `[network]`.
        more: Lines at the end, where the last section is `[head.parameters]` with GMMSeg's head.
    """
    folder.mkdir(exist_ok=True)
    path = folder / "small.toml"
    path.write_text(SMALL.format(head=head, network=network) + (MEMORY if head == "-gmmseg" else "") + more)
    return path


def run_recipe(path: Path, out: Path, **options: Any) -> Path:
    """Train by the recipe file and return the network's file."""
    return train(
        load_recipe(str(path)), out, Silent(), roots=Roots(), options=TrainingOptions(plugins=PLUGINS, **options)
    )


def load_weights(config: Path) -> Mapping[str, torch.Tensor]:
    """Load the weights next to a config."""
    return safetensors.torch.load_file(config.with_suffix(".safetensors"))


def weights_equal(first: Path, second: Path) -> bool:
    """Return whether two trained networks have bit-identical weights."""
    ours, theirs = load_weights(first), load_weights(second)
    return ours.keys() == theirs.keys() and all(torch.equal(value, theirs[name]) for name, value in ours.items())


def make_command(path: Path, out: Path, *more: str) -> list[str]:
    """Return the command line that trains by the recipe file."""
    plugins = [part for plugin in PLUGINS for part in ("--plugin", str(plugin))]
    return [sys.executable, "-m", "oodbench", "train", str(path), "--out", str(out), *plugins, *more]
