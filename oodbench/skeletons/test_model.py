"""The contract test of the model, with random weights."""

from __future__ import annotations

import runpy
from pathlib import Path

import torch
from typing_extensions import override

from oodbench.testing import AdapterContract


class TestMyModel(AdapterContract):
    """The contract of the network on two small images."""

    name = "python-file"

    @override
    def make(self, folder: Path) -> str:
        """Copy the file into an empty folder, with random weights next to it."""
        torch.manual_seed(0)
        source = Path(__file__).with_name("my_model.py")
        (folder / source.name).write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
        torch.save(runpy.run_path(str(source))["build"]().state_dict(), folder / "my_model.pth")
        return f"{folder / source.name}:build"


# Add tests that the contract can't contain: the maps of one image, as the authors' own code computes them.
