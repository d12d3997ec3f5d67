"""An evaluation of stored scores after other files of the run were removed keeps the facts of these files."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

import oodbench
from oodbench.contracts import Result
from tests.helpers.fake_benchmarks import small_run


def facts(results: Sequence[Result]) -> list[tuple[object, ...]]:
    return [
        (dict(row.fit), list(row.warnings), row.cost.fit_s, row.cost.forward_ms, dict(row.environment))
        for row in results
    ]


@pytest.fixture
def run(network_file: Path, place: Path, tmp_path: Path) -> oodbench.Run:
    return small_run(network_file, place, tmp_path / "run", methods=["knn", "msp"])


@pytest.mark.parametrize("folder", ["fits", "environments", "costs", "quality"])
def test_facts_come_from_the_results_that_are_replaced(run: oodbench.Run, folder: str) -> None:
    before, quality = facts(run.results), run.artifacts.results_file().quality
    assert before[0][0], "the test needs the facts of a fit"
    assert any("no pixel in the fit frames" in str(warning) for warning in before[0][1])  # type: ignore[attr-defined]
    shutil.rmtree(run.folder / folder)
    again = oodbench.load(run.folder).evaluate(protocols=["pooled", "caos"])
    assert facts([row for row in again.results if row.protocol.name == "pooled"]) == before
    fits = [row.fit for row in again.results if row.protocol.name == "caos"]
    assert fits == [row.fit for row in run.results]
    assert again.artifacts.results_file().quality == quality


def test_a_missing_fit_without_earlier_results_is_reported(run: oodbench.Run) -> None:
    shutil.rmtree(run.folder / "fits")
    (run.folder / "result.json").unlink()
    knn, msp = oodbench.load(run.folder).evaluate().results
    assert any("its fit is not stored" in warning for warning in knn.warnings)
    assert not any("its fit is not stored" in warning for warning in msp.warnings)
