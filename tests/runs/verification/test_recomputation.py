"""Score maps that do not come from the network, in the recorded environment and in another one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from oodbench.environment import describe_environment
from oodbench.runs.load import load
from oodbench.runs.verification.recomputation import PIXELS, SHARE
from oodbench.storage.artifacts import RunArtifacts
from oodbench.storage.keys import environment_key, score_key
from oodbench.storage.local import LocalStore
from oodbench.types import ANOMALY
from tests.helpers.stored import forge
from tests.runs.verification.conftest import Find

MSP = "MSP on tiny, road-anomaly"


def improve_maps(folder: Path, step: float, frames: slice = slice(None)) -> None:
    """Increase the scores of the anomalous pixels, and evaluate again."""
    run = load(folder)
    artifacts, scorer, part = RunArtifacts(LocalStore(folder)), run.record.scorers[0], run.record.benchmarks[0]
    for frame in part.frames[frames]:
        key = score_key(scorer.key, frame.key)
        values = np.array(artifacts.map(key))
        values[run.known_labels(part.name, frame.id).values == ANOMALY] += step
        artifacts.write_map(key, values)
    (folder / "result.json").unlink()
    load(folder).evaluate()


def test_maps_that_were_improved_with_the_labels_are_wrong(run: Path, find: Find) -> None:
    improve_maps(run, 0.5)
    wrong = find("wrong", recompute=1)
    assert next(iter(wrong)) == f"recomputed scores of {MSP}"
    assert "of the pixels are not what the network gives" in wrong[f"recomputed scores of {MSP}"]
    assert all(what.startswith(("recomputed scores of MSP", "report/")) for what in wrong)
    assert not [what for what in find("wrong") if what.startswith("recomputed")]


def record_other_threads(folder: Path) -> None:
    run = load(folder)
    key = environment_key(run.record.networks[0].digest)
    RunArtifacts(LocalStore(folder)).write_json(key, describe_environment("cpu") | {"threads": "64"})


def test_in_the_recorded_environment_a_single_bit_is_wrong(run: Path, find: Find) -> None:
    improve_maps(run, 1e-6)
    assert f"recomputed scores of {MSP}" in find("wrong", recompute=3)


def test_in_another_environment_rounding_is_right_and_an_improvement_is_wrong(run: Path, find: Find) -> None:
    record_other_threads(run)
    improve_maps(run, 1e-6)
    assert "in another environment than the run" in find("right", recompute=3)[f"recomputed scores of {MSP}"]
    improve_maps(run, 2 * SHARE)
    assert f"recomputed scores of {MSP}" in find("wrong", recompute=3)


def test_the_limits_apply_to_anomalous_pixels_alone(run: Path, find: Find) -> None:
    """Few pixels are anomalous, so that a limit on the share of all pixels would let a forger change all of them."""
    loaded = load(run)
    part = loaded.record.benchmarks[0]
    labels = loaded.known_labels(part.name, part.frames[0].id).values
    one = np.flatnonzero(labels == ANOMALY)[: max(2, int(2 * PIXELS * np.sum(labels == ANOMALY)))]
    assert one.size < PIXELS * labels.size
    record_other_threads(run)
    artifacts, key = RunArtifacts(LocalStore(run)), score_key(loaded.record.scorers[0].key, part.frames[0].key)
    values = np.array(artifacts.map(key))
    values.flat[one] += 0.5
    artifacts.write_map(key, values)
    assert f"recomputed scores of {MSP}" in find("wrong", recompute=3)


def test_predicted_classes_and_fits_that_were_changed_are_wrong(run: Path, find: Find) -> None:
    for path in (run / "predictions").glob("*/*.npy"):
        forge(run, path, path.read_bytes()[:-1] + b"\x07")
    assert "recomputed classes on tiny, road-anomaly" in find("wrong", recompute=3)
    (path,) = (run / "fits").iterdir()
    path.unlink()
    wrong = find("wrong", recompute=1)
    assert wrong["recomputed scores of kNN (k=2) on tiny"] == f"its fit is missing: {path}"
    assert any(what.startswith("metrics of kNN (k=2) on tiny, road-anomaly") for what in wrong)


def test_only_frames_with_stored_maps_are_chosen(run: Path, find: Find) -> None:
    record = load(run).record
    first, *others = record.benchmarks[0].frames
    for frame in others:
        for scorer in record.scorers:
            LocalStore(run).delete(score_key(scorer.key, frame.key))
    assert find("right", recompute=3)[f"recomputed scores of {MSP}"].startswith(f"{first.id} of 3 frames")
    for scorer in record.scorers:
        LocalStore(run).delete(score_key(scorer.key, first.key))
    assert find("not checked", recompute=3)["recomputed scores of tiny, road-anomaly"] == (
        "no scores are stored (--keep-scores)"
    )
