"""What stays of the scores of a run, and results without score maps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import oodbench
from oodbench.errors import NotStoredError, OodbenchError
from oodbench.metrics.protocols import PROTOCOLS
from oodbench.planning.records import KeepScores
from oodbench.runs.run import Run
from oodbench.storage.artifacts import RunArtifacts
from oodbench.storage.keys import Key
from tests.helpers.fake_benchmarks import small_run
from tests.helpers.heard_warnings import HeardWarnings

pytestmark = pytest.mark.slow

# Void pixels, pooled and single frames, half precision, percentiles and components.
PROTOCOL_NAMES = list(PROTOCOLS)


@pytest.fixture
def data(road_anomaly: Path, cityscapes: Path) -> Path:
    assert road_anomaly.parent == cityscapes.parent
    return road_anomaly.parent


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[Key]:
    """Record the keys of all maps that are written."""
    keys: list[Key] = []
    write = RunArtifacts.write_map

    def record(self: RunArtifacts, key: Key, values: np.ndarray) -> None:
        keys.append(key)
        write(self, key, values)

    monkeypatch.setattr(RunArtifacts, "write_map", record)
    return keys


def facts(run: Run) -> list[dict[str, Any]]:
    """Return everything of the results that does not depend on time or on what is stored."""
    return [row.model_dump(mode="json", exclude={"cost", "environment"}) for row in run.results]


def score_and_evaluate(network: Path, data: Path, out: Path, keep: KeepScores, **options: Any) -> Run:
    return small_run(network, data, out, methods=["msp", "knn"], keep_scores=keep, **options)


def files(run: Run, pattern: str) -> int:
    return len(list(run.folder.glob(pattern)))


def test_results_do_not_depend_on_what_is_stored(
    network_file: Path, data: Path, tmp_path: Path, written: list[Key]
) -> None:
    runs = {}
    for keep in ("all", "figures", "measurements", "none"):
        written.clear()
        runs[keep] = score_and_evaluate(network_file, data, tmp_path / keep, keep, limit=2)
        assert len(written) == {"all": 6, "figures": 6}.get(keep, 0)  # two frames: two scorers, and the classes
        assert files(runs[keep], "measurements/*/*") == (4 if keep == "measurements" else 0)
    for run in runs.values():
        assert facts(run) == facts(runs["all"])
        for row, same in zip(run.results, runs["all"].results, strict=True):
            assert run.breakdown(row) == runs["all"].breakdown(same)
            sketch, other = run.sketch(row), runs["all"].sketch(same)
            assert sketch is not None
            assert other is not None
            assert (sketch.metrics() == other.metrics()).all()


def test_measurements_give_every_protocol_as_the_maps_do(network_file: Path, data: Path, tmp_path: Path) -> None:
    stored = {keep: score_and_evaluate(network_file, data, tmp_path / keep, keep) for keep in ("all", "measurements")}
    from_maps, measured = (run.evaluate(protocols=PROTOCOL_NAMES) for run in stored.values())
    assert len(measured.results) == 2 * len(PROTOCOL_NAMES)
    for row, same in zip(measured.results, from_maps.results, strict=True):
        pixels = row.protocol.pixel_metrics
        assert {name: row.metrics[name] for name in pixels} == {name: same.metrics[name] for name in pixels}
        assert row.counts == same.counts
        assert row.intervals == same.intervals


def test_components_without_maps_have_values_only_at_the_calibrated_threshold(
    network_file: Path, data: Path, tmp_path: Path
) -> None:
    runs = [
        score_and_evaluate(network_file, data, tmp_path / keep, keep, protocols=["smiyc", "pooled"])
        for keep in ("all", "none")
    ]
    for row, without in zip(runs[0].results, runs[1].results, strict=True):
        names = [name for name in row.metrics if name not in ("sIoU", "PPV", "F1*")]
        assert {name: row.metrics[name] for name in names} == {name: without.metrics[name] for name in names}
        if row.protocol.components:
            assert without.metrics["sIoU"] is None
            assert "their maps are not stored" in without.undefined["sIoU"]
            assert without.components.get("at ID95") == row.components.get("at ID95") is not None
    later = score_and_evaluate(network_file, data, tmp_path / "later", "measurements").evaluate(protocols=["smiyc"])
    assert "the frames were measured without it" in later.results[0].undefined["sIoU@ID95"]


def test_a_run_without_maps_resumes_from_its_measurements(
    network_file: Path, data: Path, tmp_path: Path, written: list[Key]
) -> None:
    run = score_and_evaluate(network_file, data, tmp_path / "run", "none", stop_after="score")
    assert files(run, "measurements/*/*") == 6
    next(run.folder.glob("measurements/*/*")).unlink()
    picture = next(run.folder.glob("pictures/*/*"))
    picture.unlink()
    assert oodbench.status(run.folder).benchmarks[0].scored == 2
    done = score_and_evaluate(network_file, data, tmp_path / "run", "none")
    whole = score_and_evaluate(network_file, data, tmp_path / "whole", "none")
    assert facts(done) == facts(whole)
    assert picture.is_file()
    assert written == []
    # The same command computes nothing, and the results stay.
    before = sorted(path.stat().st_mtime_ns for path in done.folder.glob("results/*"))
    heard = HeardWarnings()
    score_and_evaluate(network_file, data, tmp_path / "run", "none", progress=heard)
    assert before == sorted(path.stat().st_mtime_ns for path in done.folder.glob("results/*"))
    assert not any("not scored" in warning for warning in heard.warnings)
    with pytest.raises(NotStoredError, match="keep-scores all"):
        done.evaluate(protocols=["caos"])


def test_measurements_can_be_restored(network_file: Path, data: Path, tmp_path: Path) -> None:
    score_and_evaluate(network_file, data, tmp_path / "run", "none")
    run = score_and_evaluate(network_file, data, tmp_path / "run", "measurements")
    assert files(run, "measurements/*/*") == 6
    assert score_and_evaluate(network_file, data, tmp_path / "run", "all").folder == run.folder
    assert files(run, "scores/*/*") == 6
    assert files(run, "measurements/*/*") == 0
    score_and_evaluate(network_file, data, tmp_path / "run", "none")
    assert (files(run, "scores/*/*"), files(run, "predictions/*/*")) == (0, 0)


def test_pictures_replace_maps_that_are_not_stored(network_file: Path, data: Path, tmp_path: Path) -> None:
    run = score_and_evaluate(network_file, data, tmp_path / "run", "none")
    whole = score_and_evaluate(network_file, data, tmp_path / "whole", "all")
    assert files(whole, "pictures/*/*") == 0
    assert all(path.stat().st_size <= 20_000 for path in run.folder.glob("pictures/*/*"))
    row, frame = run.results[0], run.frames("road-anomaly")[0]
    picture, score = run.level_picture(row, frame), whole.score(row, frame)
    assert picture is not None
    assert picture.shape[1] == min(384, score.shape[1])
    assert np.corrcoef(picture.ravel(), score.ravel())[0, 1] > 0.5
    run.report("html")
    path = next(run.folder.glob("pictures/*/*"))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(OodbenchError, match=path.name):
        [run.level_picture(row, frame) for row in run.results for frame in run.frames("road-anomaly")]


def test_shards_without_maps_are_merged(network_file: Path, data: Path, tmp_path: Path, written: list[Key]) -> None:
    for shard in ("1/2", "2/2"):
        score_and_evaluate(network_file, data, tmp_path / "run", "none", shard=shard)
    merged = oodbench.merge([tmp_path / "run"])
    assert written == []
    assert facts(merged) == facts(score_and_evaluate(network_file, data, tmp_path / "whole", "none"))
    assert files(merged, "measurements/*/*") == 0


def test_a_run_of_measurements_is_verified(network_file: Path, data: Path, tmp_path: Path) -> None:
    run = score_and_evaluate(network_file, data, tmp_path / "run", "measurements")
    checks = {check.what: check for check in oodbench.verify(run, recompute=2)}
    assert [str(check) for check in checks.values() if check.verdict == "wrong"] == []
    for what in ("scores of MSP on tiny, road-anomaly", "metrics of MSP on tiny, road-anomaly, pooled"):
        assert checks[what].verdict == "right"
    assert checks["recomputed scores of MSP on tiny, road-anomaly"].verdict == "right"


def test_a_measurement_of_other_scores_is_found(network_file: Path, data: Path, tmp_path: Path) -> None:
    run = score_and_evaluate(network_file, data, tmp_path / "run", "measurements")
    artifacts = RunArtifacts(run.store)
    scorer = run.record.scorers[0].key
    first, second = [key for key in artifacts.measured() if key.parts[0] == scorer][:2]
    artifacts.write_measurement(first, artifacts.measurement(second))
    wrong = [check.what for check in oodbench.verify(run.folder, recompute=3) if check.verdict == "wrong"]
    assert any(what.startswith("scores of ") for what in wrong)
    assert any(what.startswith("metrics of ") for what in wrong)
    assert any(what.startswith("recomputed scores of ") for what in wrong)


def test_a_damaged_measurement_is_named(network_file: Path, data: Path, tmp_path: Path) -> None:
    run = score_and_evaluate(network_file, data, tmp_path / "run", "none", stop_after="score")
    path = next(run.folder.glob("measurements/*/*"))
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(OodbenchError, match=path.name):
        score_and_evaluate(network_file, data, tmp_path / "run", "none")
    path.unlink()
    assert score_and_evaluate(network_file, data, tmp_path / "run", "none").results
