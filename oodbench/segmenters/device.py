"""Choice of the device for torch modules."""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch

from oodbench.errors import ModelError

Device: TypeAlias = Literal["auto", "cpu", "cuda"]
"""Name of a device; `auto` is a GPU if one is available, otherwise the CPU."""


def choose_device(wanted: Device) -> Literal["cpu", "cuda"]:
    """Return the device for torch modules.

    Args:
        wanted: The device that the user asked for.

    Raises:
        ModelError: A GPU is wanted, but none is available.
    """
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise ModelError("--device cuda: this torch sees no GPU", "Use --device cpu.")
    return "cuda" if wanted != "cpu" and available else "cpu"
