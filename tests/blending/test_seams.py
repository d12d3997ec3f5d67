"""Outlines give crude pastes away, and ours much less, on real frames."""

from __future__ import annotations

from pathlib import Path

import pytest

from oodbench.contracts import Roots
from oodbench.registry import Registry
from tools.seams import accuracy, crude, ours, shot


@pytest.mark.slow
def test_a_classifier_finds_crude_pastes_and_ours_less_often(real: Path) -> None:
    # docs/how-to/blend-anomalies.md has the means and the spread over six seeds.
    splits = Registry().dataset("cityscapes").open(Roots((real,)))
    shots = [shot(frame) for split in splits.values() for frame in split.frames]
    assert min(accuracy(shots, crude).values()) >= 0.85
    assert max(accuracy(shots, ours).values()) <= 0.60
    # Painted things and cut-outs of one's own are resized as these are.
    assert min(accuracy(shots, crude, keep_size=False).values()) >= 0.85
    assert max(accuracy(shots, ours, keep_size=False).values()) <= 0.77
