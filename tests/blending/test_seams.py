"""No outline gives pasted things away, on real frames."""

from __future__ import annotations

from pathlib import Path

import pytest
from seams import accuracy, crude, ours, shot

from oodbench.contracts import Roots
from oodbench.registry import Registry


@pytest.mark.slow
def test_a_classifier_finds_crude_pastes_and_hardly_ours(real: Path) -> None:
    # docs/blend.md has the means and the spread over six seeds.
    frames = Registry().dataset("cityscapes").open(Roots((real,)))["train"].frames
    shots = [shot(frame) for frame in frames]
    assert max(accuracy(shots, crude).values()) >= 0.84
    assert max(accuracy(shots, ours).values()) <= 0.65
