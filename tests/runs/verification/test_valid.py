"""An unchanged run: all checks pass, and the findings say what they prove."""

from __future__ import annotations

from pathlib import Path

import pytest

from oodbench.errors import UsageError
from oodbench.runs.load import load
from oodbench.runs.verify import verify
from tests.runs.verification.conftest import Find


def test_all_checks_pass_and_nothing_is_written(run: Path, find: Find) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    right = find("right", recompute=2)
    assert list(right) == [
        "network tiny",
        "plan",
        "stored files",
        "method MSP",
        "method kNN (k=2)",
        "frames of road-anomaly",
        "frames of cityscapes train",
        "frames of cityscapes val",
        "results",
        "scores of MSP on tiny, road-anomaly",
        "metrics of MSP on tiny, road-anomaly, smiyc",
        "metrics of MSP on tiny, road-anomaly, pooled",
        "scores of kNN (k=2) on tiny, road-anomaly",
        "metrics of kNN (k=2) on tiny, road-anomaly, smiyc",
        "metrics of kNN (k=2) on tiny, road-anomaly, pooled",
        "recomputed scores of MSP on tiny, road-anomaly",
        "recomputed scores of kNN (k=2) on tiny, road-anomaly",
        "recomputed classes on tiny, road-anomaly",
        "quality of tiny",
        "calibration of MSP on tiny",
        "calibration of kNN (k=2) on tiny",
        "report/table.csv",
        "report/table.tex",
        "report/table.md",
        "report/table.txt",
    ]
    assert right["frames of road-anomaly"].startswith("3 images and labels, ")
    assert right["frames of road-anomaly"].endswith("; road-anomaly: 3 of 60 frames")
    assert right["stored files"].endswith(
        " files other than score maps are unchanged since they were written (digests.jsonl); this does not detect "
        "changes that were also made to digests.jsonl"
    )
    assert right["recomputed scores of MSP on tiny, road-anomaly"].endswith("of 3 frames (--seed 7) are bit-identical")
    assert find("wrong") == {}
    assert list(find("not checked", recompute=1)) == ["the rest"]
    assert find("not checked")["the rest"] == (
        "times and memory; the recorded environment; whether the stored fits were learned from the fit frames; "
        "files in report/ other than the tables above (heatmaps-road-anomaly.pdf, heatmaps-road-anomaly.png)"
    )
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_the_seed_decides_which_frames_are_scored_again(run: Path) -> None:
    def choose(seed: int | None) -> str:
        checks = verify(run, recompute=1, seed=seed)
        return next(check.said for check in checks if check.what.startswith("recomputed classes"))

    first = choose(1)
    assert first == choose(1)
    assert first.split()[0] != choose(2).split()[0]
    assert choose(None).split("--seed")[1] != choose(None).split("--seed")[1]
    with pytest.raises(UsageError, match="recompute is -1"):
        verify(run, recompute=-1)


def test_without_recomputation_the_networks_compute_nothing(find: Find) -> None:
    unchecked = find("not checked")
    assert unchecked["recomputed scores of tiny, road-anomaly"] == "no frame was chosen (--recompute 0)"
    assert unchecked["quality of tiny"] == "the network was not used (--recompute 0)"


def test_results_under_another_protocol_are_verified_too(run: Path, find: Find) -> None:
    load(run).evaluate(protocols=["caos"])
    assert "metrics of MSP on tiny, road-anomaly, caos" in find("right")
    assert find("wrong") == {}
