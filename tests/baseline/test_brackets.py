"""The gate with metrics that are known within brackets only."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from oodbench.baseline import accept, gate
from oodbench.cli.main import app
from tests.helpers.results import Document, row, write_result


def bounded(low: float, high: float, metric: str = "AP") -> Document:
    values = {"AP": 0.5, "FPR95": 0.25, "AUROC": 0.75} | {metric: (low + high) / 2}
    return row(values["AP"], values["FPR95"], values["AUROC"], brackets={metric: [low, high]})


@pytest.mark.parametrize(
    ("metric", "before", "now", "outcome"),
    [
        ("AP", (0.5, 0.5), (0.488, 0.4901), "within"),  # the favourable end is one point below, or less
        ("AP", (0.5, 0.5), (0.488, 0.4899), "worse"),
        ("AP", (0.4999, 0.5001), (0.489, 0.4898), "worse"),
        ("AP", (0.4999, 0.5001), (0.489, 0.48995), "within"),
        ("AP", (0.5, 0.5), (0.51, 0.52), "within"),
        ("AP", (0.5, 0.5), (0.5101, 0.52), "better"),
        ("FPR95", (0.25, 0.25), (0.2699, 0.3), "within"),
        ("FPR95", (0.25, 0.25), (0.2701, 0.3), "worse"),
        ("AUROC", (0.75, 0.75), (0.5, 0.6), "not gated"),
    ],
)
def test_only_the_favourable_end_decides(
    tmp_path: Path, metric: str, before: tuple[float, float], now: tuple[float, float], outcome: str
) -> None:
    old = row() if before[0] == before[1] else bounded(*before, metric)
    accept(write_result(tmp_path / "old", [old]), tmp_path / "b.json")
    verdict = gate(write_result(tmp_path / "new", [bounded(*now, metric)]), tmp_path / "b.json")
    (move,) = verdict.moves
    assert move.outcome == outcome
    assert verdict.passed == (outcome != "worse")
    assert move.now_bracket == now


def test_an_unchanged_bracket_is_no_change(tmp_path: Path) -> None:
    run = write_result(tmp_path / "run", [bounded(0.5, 0.5001)])
    accept(run, tmp_path / "b.json")
    verdict = gate(run, tmp_path / "b.json", {"AP": 0.0})
    assert (verdict.moves, verdict.unmoved) == ((), 3)
    assert json.loads((tmp_path / "b.json").read_text())["measured"]["rows"][0]["brackets"] == {"AP": [0.5, 0.5001]}


def test_baselines_of_exact_results_have_no_brackets(tmp_path: Path) -> None:
    accept(write_result(tmp_path / "run", [row()]), tmp_path / "b.json")
    assert "brackets" not in (tmp_path / "b.json").read_text()


def test_the_command_prints_bounds(tmp_path: Path) -> None:
    accept(write_result(tmp_path / "old", [row()]), tmp_path / "b.json")
    new = write_result(tmp_path / "new", [bounded(0.48, 0.48009)])
    done = CliRunner().invoke(app, ["gate", str(new), "--baseline", str(tmp_path / "b.json")])
    assert done.exit_code == 1
    assert "50.00  [48.000, 48.009]  " in done.stdout
