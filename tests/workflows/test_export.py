"""Export of score maps, and their evaluation with and without calibration scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import oodbench
from oodbench.cli.main import app
from oodbench.errors import (
    DataNotFoundError,
    NotStoredError,
    OodbenchError,
    RunFolderError,
    ScoreError,
    UnknownNameError,
    UsageError,
)
from oodbench.runs.run import Run
from tests.helpers.fake_benchmarks import small_run

PROTOCOLS = ["pooled", "smiyc"]


@pytest.fixture
def run(network_file: Path, road_anomaly: Path, cityscapes: Path, tmp_path: Path) -> Run:
    return small_run(
        network_file,
        road_anomaly,
        tmp_path / "run",
        methods=["msp", "energy"],
        id_data=cityscapes,
        protocols=PROTOCOLS,
        stop_after="evaluate",
    )


@pytest.fixture
def calibration_maps(network_file: Path, cityscapes: Path, tmp_path: Path) -> Path:
    """Score the frames on which the run calibrates, one by one."""
    folder = tmp_path / "calibration"
    folder.mkdir()
    scorer = oodbench.Scorer("msp", oodbench.load_segmenter(network_file))
    for frame in oodbench.load_dataset("cityscapes", "val", data=cityscapes):
        np.save(folder / f"{frame.id}.npy", scorer(frame.read_image()))
    return folder


def evaluate(folder: Path, road_anomaly: Path, out: Path, **options: Any) -> Run:
    return oodbench.evaluate_scores(
        {"MSP": folder},
        "road-anomaly",
        anomalous="higher",
        data=road_anomaly,
        out=out,
        protocols=PROTOCOLS,
        stop_after="evaluate",
        **options,
    )


def test_exported_maps_evaluate_to_the_same_numbers(
    run: Run, road_anomaly: Path, cityscapes: Path, calibration_maps: Path, tmp_path: Path
) -> None:
    paths = oodbench.export_scores(run, tmp_path / "maps", method="MSP")
    assert [path.stem for path in paths] == list(run.frames("road-anomaly"))
    assert (np.load(paths[0]).dtype, np.load(paths[0]).shape) == (np.float32, (48, 96))
    expected = [result for result in run.results if result.method == "msp"]
    plain = evaluate(tmp_path / "maps", road_anomaly, tmp_path / "plain")
    for ours, theirs in zip(plain.results, expected, strict=True):
        assert ours.digests["scores"] == theirs.digests["scores"]
        assert set(ours.undefined) <= set(ours.metrics)
        for name, value in ours.metrics.items():
            assert value == theirs.metrics[name] or name.endswith("@ID95")
    assert "(--calibration-scores)" in plain.results[1].undefined["sIoU@ID95"]
    calibrated = evaluate(
        tmp_path / "maps",
        road_anomaly,
        tmp_path / "calibrated",
        calibration={"MSP": calibration_maps},
        id_data=cityscapes,
    )
    for ours, theirs in zip(calibrated.results, expected, strict=True):
        assert ours.metrics == theirs.metrics
        assert ours.undefined == theirs.undefined
        assert ours.components == theirs.components
        mine, run_calibration = calibrated.calibration(ours), run.calibration(theirs)
        assert mine is not None
        assert run_calibration is not None
        assert mine.quantiles.tobytes() == run_calibration.quantiles.tobytes()
        assert mine.source == run_calibration.source
    assert {check.verdict for check in oodbench.verify(calibrated)} == {"right", "not checked"}


def test_changed_calibration_scores_give_other_results(
    run: Run, road_anomaly: Path, cityscapes: Path, calibration_maps: Path, tmp_path: Path
) -> None:
    oodbench.export_scores(run, tmp_path / "maps", method="msp")
    options: dict[str, Any] = {"calibration": calibration_maps, "id_data": cityscapes}
    first = evaluate(tmp_path / "maps", road_anomaly, tmp_path / "out", **options)
    before = first.calibration(first.results[0])
    for path in calibration_maps.iterdir():
        np.save(path, np.load(path) / 2)
    with pytest.raises(RunFolderError, match="belongs to another run"):
        evaluate(tmp_path / "maps", road_anomaly, tmp_path / "out", **options)
    second = evaluate(tmp_path / "maps", road_anomaly, tmp_path / "out", if_exists="reuse", **options)
    after = second.calibration(second.results[0])
    assert before is not None
    assert after is not None
    assert after.quantiles == pytest.approx(before.quantiles / 2)


def test_lower_scores_are_calibrated_with_their_sign(
    run: Run, road_anomaly: Path, cityscapes: Path, calibration_maps: Path, tmp_path: Path
) -> None:
    oodbench.export_scores(run, tmp_path / "maps", method="msp")
    up = evaluate(
        tmp_path / "maps", road_anomaly, tmp_path / "up", calibration=calibration_maps, id_data=cityscapes, id_limit=1
    )
    for path in (*(tmp_path / "maps").iterdir(), *calibration_maps.iterdir()):
        np.save(path, -np.load(path))
    down = oodbench.evaluate_scores(
        tmp_path / "maps",
        "road-anomaly",
        anomalous="lower",
        data=road_anomaly,
        out=tmp_path / "down",
        protocols=PROTOCOLS,
        calibration=[calibration_maps],
        id_data=cityscapes,
        id_limit=1,
        stop_after="evaluate",
    )
    assert [result.metrics for result in down.results] == [result.metrics for result in up.results]
    assert up.record.calibrate is not None
    assert len(up.record.calibrate.frames) == 1


def test_invalid_calibrations_are_errors(
    run: Run, road_anomaly: Path, cityscapes: Path, calibration_maps: Path, tmp_path: Path
) -> None:
    maps = tmp_path / "maps"
    oodbench.export_scores(run, maps, method="msp")
    cases: list[tuple[type[OodbenchError], str, dict[str, Any]]] = [
        (UsageError, "--id-data requires --calibration-scores", {"id_data": cityscapes}),
        (UnknownNameError, "unknown name of scores in calibration 'msp'", {"calibration": {"msp": maps}}),
        (UsageError, "2 folders of calibration scores for 1 folders", {"calibration": [maps, maps]}),
        (DataNotFoundError, "no dataset of in-distribution frames was found", {"calibration": [maps]}),
        (ScoreError, "frames have no score map", {"calibration": [maps], "id_data": cityscapes}),
    ]
    for kind, message, options in cases:
        with pytest.raises(kind, match=message):
            evaluate(maps, road_anomaly, tmp_path / "out", **options)
        assert not (tmp_path / "out").exists()


def test_the_commands(run: Run, road_anomaly: Path, cityscapes: Path, calibration_maps: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    shown = runner.invoke(app, ["export", str(run.folder), "--method", "msp", "--out", str(tmp_path / "maps")])
    assert "3 score maps, higher = more anomalous" in shown.stdout
    command = ["evaluate", "--scores", str(tmp_path / "maps"), "--benchmark", "road-anomaly", "--anomalous", "higher"]
    command += ["--data", str(road_anomaly), "--out", str(tmp_path / "given"), "--protocol", "smiyc"]
    command += ["--calibration-scores", str(calibration_maps), "--id-data", str(cityscapes)]
    assert "sIoU@ID95" in runner.invoke(app, command).stdout
    wrong = runner.invoke(app, [*command, "--calibration-scores", str(calibration_maps)])
    assert "2 --calibration-scores for 1 --scores" in str(wrong.exception)
    unused = runner.invoke(app, ["evaluate", str(run.folder), "--calibration-scores", str(calibration_maps)])
    assert "--calibration-scores requires --scores" in str(unused.exception)


def test_an_export_never_replaces_other_files(run: Run, tmp_path: Path) -> None:
    first, *_ = oodbench.export_scores(run, tmp_path / "maps", method="msp")
    first.unlink()
    assert oodbench.export_scores(run, tmp_path / "maps", method="msp")[0].exists()
    with pytest.raises(RunFolderError, match="contains another score map"):
        oodbench.export_scores(run, tmp_path / "maps", method="energy")
    with pytest.raises(UsageError, match="has 2 scorers: msp on tiny, energy on tiny"):
        oodbench.export_scores(run, tmp_path / "maps")
    with pytest.raises(UnknownNameError, match="Did you mean 'road-anomaly'"):
        oodbench.export_scores(run, tmp_path / "maps", method="msp", benchmark="road-anomly")


def test_maps_that_were_not_kept_are_an_error(network_file: Path, road_anomaly: Path, tmp_path: Path) -> None:
    run = small_run(network_file, road_anomaly, tmp_path / "run", methods=["msp"], keep_scores="none")
    with pytest.raises(NotStoredError, match="3 of 3 score maps of MSP on road-anomaly are not stored"):
        oodbench.export_scores(run, tmp_path / "maps")
    assert not (tmp_path / "maps").exists()


def test_some_frames_of_an_export_can_be_evaluated(network_file: Path, road_anomaly: Path, tmp_path: Path) -> None:
    run = small_run(network_file, road_anomaly, tmp_path / "run", methods=["msp"], frames=["vehicle02_Skidloader"])
    oodbench.export_scores(run, tmp_path / "maps")
    with pytest.raises(ScoreError, match="evaluate only some of the frames: --frames"):
        evaluate(tmp_path / "maps", road_anomaly, tmp_path / "given")
    given = evaluate(tmp_path / "maps", road_anomaly, tmp_path / "given", frames="vehicle02_Skidloader")
    assert given.results[0].metrics == run.results[0].metrics
