"""Crude pastes on real frames are recognisable by their outlines, blended objects much less."""

from __future__ import annotations

from pathlib import Path

import pytest

from oodbench.contracts import Roots
from oodbench.registry import Registry
from tools.seams import measure_accuracy, measure_frame, paste_as_benchmark, paste_crudely


@pytest.mark.slow
def test_classifiers_find_crude_pastes_more_often_than_blended_ones(real: Path) -> None:
    # docs/how-to/blend-anomalies.md lists the means and the range over six seeds.
    splits = Registry().dataset("cityscapes").open(Roots((real,)))
    shots = [measure_frame(frame) for split in splits.values() for frame in split.frames]
    assert min(measure_accuracy(shots, paste_crudely).values()) >= 0.85
    assert max(measure_accuracy(shots, paste_as_benchmark).values()) <= 0.60
    # Painted objects and the user's cut-outs are resized in the same way.
    assert min(measure_accuracy(shots, paste_crudely, keep_size=False).values()) >= 0.85
    assert max(measure_accuracy(shots, paste_as_benchmark, keep_size=False).values()) <= 0.77
