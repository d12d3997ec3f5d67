"""Results of scores that are counted in bins, because they exceed the memory."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import oodbench
import oodbench.stages.measurement_files
from oodbench.errors import NotStoredError, OodbenchError, UsageError
from oodbench.runs.run import Run
from tests.helpers.fake_benchmarks import small_run
from tests.helpers.files import anomaly_label, photograph, save

pytestmark = pytest.mark.slow


@pytest.fixture
def data(road_anomaly: Path, cityscapes: Path) -> Path:
    """Road Anomaly with six frames, in chunks of two."""
    assert road_anomaly.parent == cityscapes.parent
    for seed in range(3):
        save(road_anomaly / "frames" / f"more{seed}.jpg", photograph(seed))
        label = anomaly_label(seed, anomaly=2, void=None)
        save(road_anomaly / "frames" / f"more{seed}.labels" / "labels_semantic.png", label)
    (road_anomaly / "frame_list.json").unlink()
    return road_anomaly.parent


@pytest.fixture(autouse=True)
def small_chunks(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = oodbench.load_benchmark("road-anomaly", data)[0]
    height, width = frame.read_size()
    monkeypatch.setattr(oodbench.stages.measurement_files, "CHUNK_PIXELS", 2 * height * width)


def run_bucketed(network: Path, data: Path, out: Path, **options: Any) -> Run:
    settings = {"methods": ["msp", "knn"], "keep_scores": "none", "memory": 1000}
    return small_run(network, data, out, **(settings | options))


def facts(run: Run) -> list[dict[str, Any]]:
    return [row.model_dump(mode="json", exclude={"cost", "environment"}) for row in run.results]


def test_brackets_contain_the_exact_values(network_file: Path, data: Path, tmp_path: Path) -> None:
    exact = run_bucketed(network_file, data, tmp_path / "exact", keep_scores="all")
    bounded = run_bucketed(network_file, data, tmp_path / "bounded")
    assert [row.label for row in bounded.results] == ["MSP", "kNN"]
    for row, same in zip(bounded.results, exact.results, strict=True):
        assert not same.brackets
        assert row.brackets.keys() == row.metrics.keys()
        for name, (low, high) in row.brackets.items():
            assert low <= (same.metrics[name] or 0) <= high
        assert row.counts == same.counts
        assert row.digests == same.digests
        assert row.intervals is not None
        assert same.intervals is not None
        assert row.intervals.undefined == {}
        for name, bounds in same.intervals.bounds.items():
            assert row.intervals.bounds[name] == pytest.approx(bounds, abs=2e-3)
        groups, others = (run.breakdown(result) for run, result in ((bounded, row), (exact, same)))
        assert groups is not None
        assert others is not None
        # The calibrated threshold is an edge, so its numbers are exact.
        assert groups.thresholds[-1] == others.thresholds[-1]
        for group, other in zip(groups.groups, others.groups, strict=True):
            assert (group.name, group.objects, group.pixels) == (other.name, other.objects, other.pixels)
            assert group.recall["calibrated"] == other.recall["calibrated"]
            assert group.ap == pytest.approx(other.ap, abs=5e-3)
        for alarms, exactly in zip(groups.false_alarms, others.false_alarms, strict=True):
            assert alarms.called["calibrated"] == exactly.called["calibrated"]
    assert list(bounded.folder.glob("chunks/*/*")) == list(bounded.folder.glob("scores/*/*")) == []
    with pytest.raises(NotStoredError, match="are not stored"):
        bounded.evaluate()


def test_a_resumed_run_scores_only_the_missing_chunks(network_file: Path, data: Path, tmp_path: Path) -> None:
    whole = run_bucketed(network_file, data, tmp_path / "whole")
    run = run_bucketed(network_file, data, tmp_path / "run", stop_after="score")
    chunks = sorted(run.folder.glob("chunks/*/*"))
    assert len(chunks) == 2 * 3
    assert oodbench.status(run.folder).benchmarks[0].scored == 6
    chunks[0].unlink()
    assert oodbench.status(run.folder).benchmarks[0].scored == 4
    kept = {path: path.stat().st_mtime_ns for path in chunks[1:]}
    again = run_bucketed(network_file, data, tmp_path / "run", stop_after="score")
    assert {path: path.stat().st_mtime_ns for path in chunks[1:]} == kept
    assert facts(run_bucketed(network_file, data, again.folder)) == facts(whole)


def test_a_damaged_chunk_is_named(network_file: Path, data: Path, tmp_path: Path) -> None:
    run = run_bucketed(network_file, data, tmp_path / "run", stop_after="score")
    path = next(run.folder.glob("chunks/*/*"))
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(OodbenchError, match=path.name):
        run_bucketed(network_file, data, run.folder)


def test_shards_give_the_same_brackets(network_file: Path, data: Path, tmp_path: Path) -> None:
    for shard in ("1/2", "2/2"):
        run_bucketed(network_file, data, tmp_path / "run", shard=shard)
    assert facts(oodbench.merge([tmp_path / "run"])) == facts(run_bucketed(network_file, data, tmp_path / "whole"))


def test_without_calibration_the_first_frame_places_the_bins(
    network_file: Path, data: Path, road_anomaly: Path, tmp_path: Path
) -> None:
    options = {"methods": ["msp"], "id_data": [tmp_path]}
    exact = run_bucketed(network_file, road_anomaly, tmp_path / "exact", **options, keep_scores="all")
    (row,) = run_bucketed(network_file, road_anomaly, tmp_path / "bounded", **options).results
    for name, (low, high) in row.brackets.items():
        value = exact.results[0].metrics[name]
        assert value is not None
        assert low <= value <= high
        assert high - low < 1e-3


@pytest.mark.parametrize("protocol", ["smiyc", "caos", "pebal"])
def test_a_protocol_that_needs_all_scores_is_refused(
    network_file: Path, data: Path, tmp_path: Path, protocol: str
) -> None:
    with pytest.raises(UsageError, match=f"the protocol {protocol} needs all scores of road-anomaly") as error:
        run_bucketed(network_file, data, tmp_path / "run", protocols=[protocol])
    assert "--keep-scores measurements" in str(error.value)
    assert "--memory is 1.0KB" in str(error.value)
    # The remedy is enough.
    size = str(error.value).partition("Use --memory ")[2].partition(",")[0]
    assert run_bucketed(network_file, data, tmp_path / "run", protocols=[protocol], memory=size).results


def test_the_memory_is_a_size(network_file: Path, data: Path, tmp_path: Path) -> None:
    for size in ("much", "-1", "4 apples"):
        with pytest.raises(UsageError, match=f"memory is '{size}': expected a size such as 4GB"):
            run_bucketed(network_file, data, tmp_path / "run", memory=size)
    assert run_bucketed(network_file, data, tmp_path / "run", memory="1GB").results[0].brackets == {}


def test_figures_keep_their_maps(network_file: Path, data: Path, tmp_path: Path) -> None:
    run = run_bucketed(network_file, data, tmp_path / "run", keep_scores="figures")
    assert len(list(run.folder.glob("scores/*/*"))) == 2 * 4
    assert np.isfinite(run.score(run.results[0], run.figure_frames("road-anomaly")[0])).all()


def test_frames_with_the_same_content_count_separately(
    network_file: Path, data: Path, road_anomaly: Path, tmp_path: Path
) -> None:
    frames = road_anomaly / "frames"
    shutil.copy(frames / "more0.jpg", frames / "again.jpg")
    shutil.copytree(frames / "more0.labels", frames / "again.labels")
    exact = run_bucketed(network_file, data, tmp_path / "exact", keep_scores="all")
    bounded = run_bucketed(network_file, data, tmp_path / "bounded")
    for row, same in zip(bounded.results, exact.results, strict=True):
        assert row.counts == same.counts
        for name, (low, high) in row.brackets.items():
            assert low <= (same.metrics[name] or 0) <= high
