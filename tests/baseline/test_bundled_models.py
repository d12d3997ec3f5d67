"""The gate on the bundled model: damage fails it, another path and seed do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from oodbench.baseline import accept, gate
from tools.damage import damaged, judged, measured, noisy, swapped

LIMIT = 3


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("accepted")
    accept(measured(folder / "run", limit=LIMIT), folder / "baseline.json")
    return folder / "baseline.json"


@pytest.mark.slow
def test_swapped_channels_and_noise_close_it(tmp_path: Path, baseline: Path) -> None:
    assert not judged(tmp_path / "swapped", baseline, swapped, LIMIT).passed
    assert not judged(tmp_path / "noisy", baseline, noisy(0.5), LIMIT).passed


@pytest.mark.slow
def test_the_same_network_under_another_path_and_seed_passes(tmp_path: Path, baseline: Path) -> None:
    same = damaged(tmp_path / "copy", lambda state: state)
    verdict = gate(measured(tmp_path / "run", same, limit=LIMIT), baseline)
    assert verdict.passed
    assert not verdict.moves
