"""Intervals, sketches and comparisons of complete runs on small real files."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import oodbench
from oodbench.contracts import Result
from oodbench.errors import NotComparableError, NotStoredError, UnknownNameError
from oodbench.runs.compare import compare_methods, compare_runs
from oodbench.runs.load import load
from oodbench.runs.run import Run
from tests.helpers.fake_benchmarks import small_run
from tests.helpers.files import anomaly_label, photograph, save

COUNT = 8


@pytest.fixture
def data(road_anomaly: Path, cityscapes: Path) -> Path:
    """Write Road Anomaly with eight frames, enough to resample."""
    for seed in range(3, COUNT):
        save(road_anomaly / "frames" / f"{seed}.jpg", photograph(seed), quality=95)
        mask = anomaly_label(seed, anomaly=2, void=None)
        save(road_anomaly / "frames" / f"{seed}.labels" / "labels_semantic.png", mask)
    names = sorted(path.name for path in (road_anomaly / "frames").glob("*.jpg"))
    (road_anomaly / "frame_list.json").write_text(json.dumps(names))
    return road_anomaly.parent


@pytest.fixture
def run(network_file: Path, data: Path, tmp_path: Path) -> Run:
    return small_run(network_file, data, tmp_path / "run", methods=["msp", "entropy", "max-logit"])


def test_results_have_intervals_around_their_metrics(run: Run) -> None:
    for row in run.results:
        assert row.intervals is not None
        assert (row.intervals.unit, row.intervals.units, row.intervals.resamples) == ("frames", COUNT, 2000)
        assert set(row.intervals.bounds) == set(row.metrics)
        for metric, (low, high) in row.intervals.bounds.items():
            value = row.metrics[metric]
            assert value is not None
            assert low <= value <= high


def test_a_result_without_intervals_can_be_read(run: Run) -> None:
    old = run.results[0].model_dump(mode="json")
    del old["intervals"]
    assert Result.model_validate(old).intervals is None


def test_a_deleted_sketch_is_rebuilt_from_the_scores(run: Run) -> None:
    row = run.results[0]
    before, breakdown = run.sketch(row), run.breakdown(row)
    assert before is not None
    assert breakdown is not None
    assert breakdown.groups[0].pixels <= row.counts["anomaly_pixels"]
    for folder in ("sketches", "breakdowns"):
        assert len(list((run.folder / folder).iterdir())) == 3
        shutil.rmtree(run.folder / folder)
    again = run.sketch(row)
    assert again is not None
    assert {name: values.tolist() for name, values in again.arrays().items()} == {
        name: values.tolist() for name, values in before.arrays().items()
    }
    assert run.breakdown(row) == breakdown
    shutil.rmtree(run.folder / "sketches")
    shutil.rmtree(run.folder / "scores")
    with pytest.raises(NotStoredError, match="not stored"):
        run.sketch(row)


def test_protocols_without_a_sketch_have_a_reason_and_means_have_intervals(run: Run) -> None:
    again = run.evaluate(protocols=["smiyc", "caos"])
    for row in again.results:
        assert row.intervals is not None
        if row.protocol.name == "smiyc":
            assert row.intervals.bounds == {}
            assert "its own percentiles" in row.intervals.undefined["AP"]
            assert again.sketch(row) is None
        else:
            assert set(row.intervals.bounds) == {"AP", "FPR95", "AUROC"}
        assert again.breakdown(row) is None
    tables = compare_methods(again, metrics=["AP"], resamples=99)
    assert [table.protocol for table in tables] == ["caos"]


def test_methods_of_a_run_are_compared(run: Run) -> None:
    table, *_ = compare_methods(run, resamples=199)
    assert (table.benchmark, table.metric, table.units, table.comparisons) == ("road-anomaly", "AP", COUNT, 3)
    values = [entry.value for entry in table.entries]
    assert values == sorted(values, reverse=True)
    rows = {row.label: row.metrics["AP"] for row in run.results}
    assert {entry.label: entry.value for entry in table.entries} == pytest.approx(rows, abs=1e-3)
    best = table.entries[0]
    assert (best.rank, best.difference, table.reference) == (1, None, f"{best.label} / tiny")
    for entry in table.entries[1:]:
        assert entry.difference is not None
        assert entry.difference.value == pytest.approx(entry.value - best.value)
        assert entry.corrected is not None
        assert entry.corrected >= entry.difference.p
    worst, *_ = compare_methods(run, reference="msp", resamples=199)
    assert (worst.reference, worst.comparisons) == ("MSP / tiny", 2)
    assert {entry.rank for entry in worst.entries} == {None}
    with pytest.raises(UnknownNameError, match="'mps'"):
        compare_methods(run, reference="mps")
    with pytest.raises(UnknownNameError, match="metric of a comparison 'IoU'"):
        compare_methods(run, metrics=["IoU"], resamples=99)


def test_too_few_frames_are_an_error(network_file: Path, data: Path, tmp_path: Path) -> None:
    few = small_run(network_file, data, tmp_path / "few", methods=["msp", "entropy"], limit=3)
    with pytest.raises(NotComparableError, match="too few independent frames: 3; at least 5 are needed"):
        compare_methods(few)


def test_two_runs_are_compared(run: Run, network_file: Path, data: Path, tmp_path: Path) -> None:
    for table in compare_runs(run, run, resamples=99):
        assert [entry.label for entry in table.entries] == [row.label for row in run.results]
        assert {(e.difference.value, e.difference.p) for e in table.entries if e.difference} == {(0.0, 1.0)}
    other = small_run(network_file, data, tmp_path / "other", methods=["msp", "energy"], upsample="score", limit=6)
    with pytest.raises(NotComparableError) as refused:
        compare_runs(run, other)
    assert refused.value.reasons == (
        "scoring: upsample is logits in the first run, score in the second",
        "frames of road-anomaly: 8 and 6",
    )
    caos = load(run.folder).evaluate(protocols=["caos"])
    fresh = small_run(network_file, data, tmp_path / "fresh", methods=["msp", "energy"])
    with pytest.raises(NotComparableError, match="protocol: name is pooled in the first run, caos in the second"):
        compare_runs(fresh, caos)
    run.evaluate()
    table, *_ = compare_runs(oodbench.load(run.folder), fresh, ["AP"], 99)
    assert [entry.label for entry in table.entries] == ["MSP"]
    assert "only in the second run: Energy / tiny, road-anomaly" in table.left_out


@pytest.mark.slow
def test_the_compare_command(run: Run) -> None:
    def printed(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "oodbench", "compare", str(run.folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True)

    text = printed("--metric", "AP", "--resamples", "99").stdout
    assert "road-anomaly, AP, percent; 8 frames, protocol pooled" in text
    assert "No p can be below 0.060 here: use more resamples" in text
    tables = json.loads(printed(str(run.folder), "--resamples", "99", "--json").stdout)
    assert [table["metric"] for table in tables] == ["AP", "FPR95", "AUROC"]
    assert tables[0]["entries"][0]["difference"]["value"] == 0
    together = printed(str(run.folder), "--reference", "msp", "--resamples", "99")
    assert "to MSP" in together.stdout
    assert np.isfinite(tables[0]["entries"][0]["value"])


def test_the_code_of_the_documentation_runs(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(run.folder.parent)
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "compare-runs.md").read_text()
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(program, {})  # noqa: S102  # our own page
    assert capsys.readouterr().out.count("\n") == 3
