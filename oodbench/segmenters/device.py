"""The device on which torch modules run."""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch

from oodbench.errors import ModelError

Device: TypeAlias = Literal["auto", "cpu", "cuda"]
"""`auto` is a GPU if there is one."""


def choose_device(wanted: Device) -> Literal["cpu", "cuda"]:
    """Return the device on which torch works.

    Raises:
        ModelError: a GPU is wanted, and there is none.
    """
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise ModelError("--device cuda: this torch sees no GPU", "Use --device cpu.")
    return "cuda" if wanted != "cpu" and available else "cpu"
