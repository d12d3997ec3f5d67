"""The gate on the bundled model: a damaged network fails, another path or seed does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from oodbench.baseline import accept, gate
from tools.damage import gate_changed_network, make_noise_adder, run_methods, swap_channels, write_changed_network

LIMIT = 3


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("accepted")
    accept(run_methods(folder / "run", limit=LIMIT), folder / "baseline.json")
    return folder / "baseline.json"


@pytest.mark.slow
def test_swapped_channels_and_noise_fail_the_gate(tmp_path: Path, baseline: Path) -> None:
    assert not gate_changed_network(tmp_path / "swapped", baseline, swap_channels, LIMIT).passed
    assert not gate_changed_network(tmp_path / "noisy", baseline, make_noise_adder(0.5), LIMIT).passed


@pytest.mark.slow
def test_the_same_network_with_another_path_and_seed_passes(tmp_path: Path, baseline: Path) -> None:
    same = write_changed_network(tmp_path / "copy", lambda state: state)
    verdict = gate(run_methods(tmp_path / "run", same, limit=LIMIT), baseline)
    assert verdict.passed
    assert not verdict.moves
