"""The devices that tests run on."""

from __future__ import annotations

import pytest
import torch

DEVICES = ["cpu", *([pytest.param("cuda", marks=pytest.mark.gpu)] if torch.cuda.is_available() else [])]
"""For parametrize: the processor, and a GPU if there is one. Its absence is not a skip, which CI would refuse."""
