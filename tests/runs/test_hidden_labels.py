"""Runs on benchmarks with hidden labels: scores are stored, and a note replaces the empty table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from oodbench.contracts import ReportCard
from oodbench.registry import Registry
from oodbench.runs.run import Run
from oodbench.runs.verify import verify
from tests.helpers.fake_benchmarks import small_run
from tests.helpers.files import photograph, save

SCENES = ["curvy-street_bag_3", "gravel_boot_1", "paving_axe_2"]


@pytest.fixture
def tracks(road_anomaly: Path) -> Path:
    for seed, name in enumerate(SCENES):
        save(road_anomaly.parent / "dataset_ObstacleTrack" / "images" / f"{name}.webp", photograph(50 + seed))
    return road_anomaly.parent


def score_hidden(network: Path, data: Path, out: Path, *benchmarks: str, **options: Any) -> Run:
    settings = {
        "benchmarks": ["road-obstacle-21-test", *benchmarks],
        "methods": ["msp", "energy"],
        "stop_after": "report",
    }
    return small_run(network, data, out, **(settings | options))


def test_a_run_of_only_hidden_labels_names_the_stored_maps_and_the_next_step(
    network_file: Path, tracks: Path, tmp_path: Path
) -> None:
    run = score_hidden(network_file, tracks, tmp_path / "run")
    assert list(run.results) == []
    scorers = {scorer.label: scorer.key for scorer in run.record.scorers}
    said = (tmp_path / "run" / "report" / "table.txt").read_text().splitlines()
    assert said == [
        "road-obstacle-21-test: 3 frames were scored. Its labels are not public, so there are no results.",
        f"Stored score maps, one .npy per frame; {tmp_path}/run/plan.json maps each file name to a frame id:",
        *(f"  {label} on tiny: {tmp_path}/run/scores/{key}" for label, key in scorers.items()),
        "To get results, submit the maps to the benchmark's leaderboard: oodbench info benchmark road-obstacle-21-test",
    ]
    for key in scorers.values():
        assert len(list((tmp_path / "run" / "scores" / key).glob("*.npy"))) == 3


def test_every_text_report_has_the_note(network_file: Path, tracks: Path, tmp_path: Path) -> None:
    run = score_hidden(network_file, tracks, tmp_path / "run")
    registry = Registry()
    cards: dict[str, ReportCard] = {name: registry.report(name).card for name in registry.names("reports")}
    for name in [name for name, card in cards.items() if card.text and name != "csv"]:
        assert "3 frames were scored. Its labels are not public" in registry.report(name).text(run), name


def test_the_note_follows_the_table(network_file: Path, tracks: Path, tmp_path: Path) -> None:
    text = Registry().report("terminal").text(score_hidden(network_file, tracks, tmp_path / "run", "road-anomaly"))
    lines = text.splitlines()
    assert lines[0].strip() == "road-anomaly"
    assert lines[-5].startswith("road-obstacle-21-test: 3 frames were scored")
    assert "road-anomaly: 3 frames were scored" not in text


@pytest.mark.parametrize(("keep", "left"), [("none", 0), ("figures", 6)])
def test_the_note_does_not_mention_maps_that_are_not_kept(
    network_file: Path, tracks: Path, tmp_path: Path, keep: str, left: int
) -> None:
    notes = score_hidden(network_file, tracks, tmp_path / "run", keep_scores=keep).notes
    missing = "0 of 6 score maps are stored. To store all, run again with --keep-scores all."
    assert (missing in notes) == (left == 0)
    assert any("Stored score maps" in note for note in notes) == (left > 0)
    assert any("3 frames were not scored, because" in note for note in notes) == (left == 0)


def test_a_run_with_labels_has_no_note(network_file: Path, tracks: Path, tmp_path: Path) -> None:
    assert score_hidden(network_file, tracks, tmp_path / "run", benchmarks=["road-anomaly"]).notes == []


@pytest.mark.parametrize("others", [[], ["road-anomaly"]])
def test_a_run_in_another_folder_is_verified_although_its_notes_name_the_folder(
    network_file: Path, tracks: Path, tmp_path: Path, others: list[str]
) -> None:
    run = score_hidden(network_file, tracks, tmp_path / "run", *others)
    checks = {check.what: check for check in verify(run.folder.rename(tmp_path / "moved"), recompute=1)}
    assert [str(check) for check in checks.values() if check.verdict == "wrong"] == []
    assert checks["recomputed scores of MSP on tiny, road-obstacle-21-test"].verdict == "right"
    assert checks["report/table.txt"].verdict == "right"
    assert checks["scores of MSP on tiny, road-obstacle-21-test"].said.endswith("no digest of them is recorded")
