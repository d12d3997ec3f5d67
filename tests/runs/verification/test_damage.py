"""Inputs and files that changed or are missing since the run, and parts that can't be verified."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from oodbench.errors import RunFolderError
from oodbench.runs.load import load
from oodbench.runs.verification.check import VerificationCheck
from oodbench.runs.verify import verify
from oodbench.storage.artifacts import RunArtifacts
from oodbench.storage.keys import score_key
from oodbench.storage.local import LocalStore
from oodbench.workflows.evaluate_scores import evaluate_scores
from tests.helpers.fake_benchmarks import small_run
from tests.helpers.files import photograph, save
from tests.helpers.stored import forge, forge_map


@pytest.fixture
def run(network_file: Path, road_anomaly: Path, cityscapes: Path, tmp_path: Path) -> Path:
    """Run MSP and kNN under two protocols on separate data and a separate network."""
    network = Path(shutil.copy(network_file, tmp_path / "tiny.onnx"))
    shutil.copy(network_file.with_suffix(".toml"), tmp_path / "tiny.toml")
    done = small_run(network, road_anomaly, tmp_path / "run", methods=["msp", "knn:k=2"], id_data=[cityscapes])
    return done.evaluate(protocols=("pooled", "smiyc")).folder


def find_checks(folder: Path, verdict: str) -> dict[str, str]:
    return {checked.what: checked.said for checked in verify(folder, recompute=0) if checked.verdict == verdict}


def test_changed_weights_are_found(run: Path, tmp_path: Path) -> None:
    card = tmp_path / "tiny.toml"
    card.write_text(card.read_text().replace("255.0", "127.5"))
    assert list(find_checks(run, "wrong")) == ["network tiny"]
    assert "weights, card and code have the digest" in find_checks(run, "wrong")["network tiny"]
    card.unlink()
    assert "it can't be opened" in find_checks(run, "not checked")["network tiny"]


def test_a_changed_image_of_equal_size_and_time_is_found(run: Path, road_anomaly: Path) -> None:
    image = sorted((road_anomaly / "frames").glob("*.jpg"))[1]
    times, content = image.stat(), bytearray(image.read_bytes())
    content[-40] ^= 1
    image.write_bytes(bytes(content))
    os.utime(image, ns=(times.st_atime_ns, times.st_mtime_ns))
    wrong = find_checks(run, "wrong")
    assert list(wrong) == ["frames of road-anomaly"]
    assert (
        f"1 of 3 differ from the run, in image, labels or the plugin's code; the first is {image.stem}"
        in wrong["frames of road-anomaly"]
    )
    assert (
        find_checks(run, "not checked")["metrics of MSP on tiny, road-anomaly, pooled"]
        == "the labels are not available"
    )


def test_changed_labels_and_missing_data_are_found(run: Path, road_anomaly: Path, cityscapes: Path) -> None:
    label = next(iter(cityscapes.glob("gtFine/train/aachen/*.png")))
    save(label, np.full((48, 96), 7, np.uint8))
    assert list(find_checks(run, "wrong")) == ["frames of cityscapes train"]
    shutil.rmtree(cityscapes)
    shutil.rmtree(road_anomaly)
    unchecked = find_checks(run, "not checked")
    assert {"frames of road-anomaly", "frames of cityscapes train", "frames of cityscapes val"} <= set(unchecked)
    assert find_checks(run, "wrong") == {}
    assert "scores of MSP on tiny, road-anomaly" in find_checks(run, "right")


def test_changed_scores_are_found(run: Path) -> None:
    scorer, _ = load(run).record.scorers
    path = sorted((run / "scores" / scorer.key).iterdir())[0]
    score = np.load(path)
    score[0, 0] = np.nextafter(score[0, 0], np.float32(2))
    np.save(path, score)
    assert "damaged" in find_checks(run, "wrong")["scores of MSP on tiny, road-anomaly"]
    forge_map(run, path, score)
    wrong = find_checks(run, "wrong")
    assert "scores of MSP on tiny, road-anomaly" in wrong
    assert "scores of kNN (k=2) on tiny, road-anomaly" not in wrong
    score[0, 0] = np.nan
    forge_map(run, path, score)
    assert "expected (48, 96), all finite" in find_checks(run, "wrong")["scores of MSP on tiny, road-anomaly"]
    path.write_bytes(b"")
    assert "damaged" in find_checks(run, "wrong")["scores of MSP on tiny, road-anomaly"]


def test_an_interrupted_evaluation_leaves_a_valid_run(run: Path) -> None:
    for path in (run / "results").iterdir():
        result = json.loads(path.read_text())
        result["cost"]["peak_memory_mb"] = 1.0
        forge(run, path, json.dumps(result))
        break
    assert find_checks(run, "wrong") == {}


def test_changed_results_are_found(run: Path) -> None:
    result = json.loads((run / "result.json").read_text())
    result["results"]["pooled"][0]["metrics"]["AP"] += 1e-9
    (run / "result.json").write_text(json.dumps(result))
    assert "result.json: damaged" in find_checks(run, "wrong")["results"]
    forge(run, run / "result.json", json.dumps(result))
    wrong = find_checks(run, "wrong")
    assert wrong["results"] == "MSP on tiny, road-anomaly: result.json and the file in results/ differ"
    assert wrong["metrics of MSP on tiny, road-anomaly, pooled"].startswith("metrics AP is 0.")
    for path in (run / "results").iterdir():  # in both places
        row = json.loads(path.read_text())
        if (row["method"], row["protocol"]["name"]) == ("msp", "pooled"):
            forge(run, path, json.dumps(row | {"metrics": result["results"]["pooled"][0]["metrics"]}))
    assert list(find_checks(run, "wrong")) == ["metrics of MSP on tiny, road-anomaly, pooled"]
    result["results"]["pooled"][0]["digests"]["data"] = "0" * 64
    forge(run, run / "result.json", json.dumps(result))
    assert "its digests are not those of plan.json" in find_checks(run, "wrong")["results"]
    forge(run, run / "result.json", json.dumps(result | {"plan": "0" * 64}))
    assert "older than the plan" in find_checks(run, "wrong")["results"]
    forge(run, run / "result.json", "{}")
    assert "not the results of this version of oodbench" in find_checks(run, "wrong")["results"]


def test_runs_without_stored_scores_are_verified_partly(run: Path) -> None:
    record = load(run).record
    paths = [
        Path(LocalStore(run).name(score_key(record.scorers[0].key, frame.key))) for frame in record.benchmarks[0].frames
    ]
    paths[1].unlink()
    what = "scores of MSP on tiny, road-anomaly"
    unchecked = find_checks(run, "not checked")
    assert unchecked[what] == f"1 of 3 maps is missing; the first is {paths[1]} (--keep-scores)"
    assert unchecked["metrics of MSP on tiny, road-anomaly, pooled"] == "not all score maps are stored"
    content = paths[2].read_bytes()
    paths[2].write_bytes(content[:-1] + b"\x07")
    assert find_checks(run, "wrong")[what].startswith(f"{paths[2]}: damaged")
    shutil.rmtree(run / "scores")
    assert find_checks(run, "not checked")[what].startswith("3 of 3 maps are missing; the first is ")
    assert "results" in find_checks(run, "right")
    assert find_checks(run, "wrong") == {}


def test_external_scores_and_runs_without_results_are_verified(
    network_file: Path, road_anomaly: Path, tmp_path: Path
) -> None:
    maps = tmp_path / "maps"
    maps.mkdir()
    for seed, path in enumerate(sorted((road_anomaly / "frames").glob("*.jpg"))):
        np.save(maps / f"{path.stem}.npy", photograph(seed)[:, :, 0].astype(np.float32))
    given = evaluate_scores(
        maps, "road-anomaly", anomalous="higher", data=road_anomaly, out=tmp_path / "given", stop_after="evaluate"
    )
    assert not [check.what for check in verify(given.folder) if check.what.startswith("network")]
    assert "metrics of maps on given, road-anomaly, pooled" in find_checks(given.folder, "right")
    assert find_checks(given.folder, "not checked")["recomputed scores of given, road-anomaly"] == (
        "other code wrote the scores"
    )
    scored = small_run(network_file, road_anomaly, tmp_path / "scored", methods=["msp"], stop_after="score")
    unchecked = find_checks(scored.folder, "not checked")
    assert "no result.json" in unchecked["results"]
    assert unchecked["scores of MSP on tiny, road-anomaly"].startswith("3 maps, intact and finite; without a result")
    with pytest.raises(RunFolderError, match="no run in this folder"):
        verify(tmp_path)


def test_findings_are_printed_as_lines(tmp_path: Path) -> None:
    assert str(VerificationCheck("not checked", "results", "none")) == "not checked  results: none"
    assert str(VerificationCheck("right", "results", "2")) == "right        results: 2"
    assert RunArtifacts(LocalStore(tmp_path)).plan() is None
