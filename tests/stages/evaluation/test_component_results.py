"""Results with component metrics: from stored maps, under smiyc only, at both thresholds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import oodbench
from oodbench.contracts import ComponentSizes, metrics_of
from oodbench.errors import RunFolderError
from oodbench.metrics import PROTOCOLS, component_metrics, make_evaluation
from oodbench.registry import Registry
from tests.helpers.fake_benchmarks import small_run
from tests.helpers.stored import forge


def test_smiyc_adds_component_metrics_to_results_and_tables(network_file: Path, place: Path, tmp_path: Path) -> None:
    run = small_run(network_file, place, tmp_path / "run", methods=["msp"])
    pooled, smiyc = oodbench.load(run.folder).evaluate(protocols=["pooled", "smiyc"]).results
    assert set(pooled.metrics) == {"AP", "FPR95", "AUROC"}
    assert pooled.components == {}
    assert list(smiyc.metrics) == [spec.name for spec in metrics_of("anomaly")]
    assert (smiyc.components["smallest_prediction"], smiyc.components["smallest_object"]) == (500, 100)
    frames = [(run.score(smiyc, name), run.labels("road-anomaly", name)) for name in run.frames("road-anomaly")]
    under = make_evaluation(PROTOCOLS["smiyc"])
    for score, labels in frames:
        assert labels is not None
        under.update(score, labels)
    calibration = run.calibration(smiyc)
    assert calibration is not None
    thresholds = {
        "": under.metrics().best_f1_threshold,
        "@ID95": calibration.quantiles[calibration.levels == 0.95].item(),
    }
    assert smiyc.components["at ID95"]["threshold"] == thresholds["@ID95"]
    assert smiyc.components["at the best F1"]["threshold"] == thresholds[""]
    for end, found in component_metrics(lambda: frames, PROTOCOLS["smiyc"], ComponentSizes(), thresholds).items():
        for name, value in found.values.items():
            assert smiyc.metrics[name + end] == (None if name in found.undefined else value)
    text = Registry().report("terminal").text(oodbench.load(run.folder, ["smiyc"]))
    assert "F1* ↑" in text
    assert "PPV@ID95 ↑" in text


def test_the_calibrated_threshold_needs_in_distribution_frames(network_file: Path, place: Path, tmp_path: Path) -> None:
    run = small_run(network_file, place / "downloads", tmp_path / "run", methods=["msp"])
    (row,) = run.evaluate(protocols=["smiyc"]).results
    assert {name for name, value in row.metrics.items() if value is None} >= {"sIoU@ID95", "PPV@ID95", "F1*@ID95"}
    assert "--id-data" in row.undefined["F1*@ID95"]
    assert "at ID95" not in row.components


def test_a_plan_without_component_sizes_is_an_error(network_file: Path, place: Path, tmp_path: Path) -> None:
    run = small_run(network_file, place, tmp_path / "run", methods=["msp"])
    plan = json.loads((run.folder / "plan.json").read_text())
    del plan["benchmarks"][0]["components"]
    forge(run.folder, run.folder / "plan.json", json.dumps(plan))
    with pytest.raises(RunFolderError, match="not a plan of this version of oodbench"):
        oodbench.load(run.folder)


@pytest.mark.slow
def test_component_sizes_are_those_of_the_track() -> None:
    cards = {name: Registry().benchmark(name).card for name in Registry().names("benchmarks")}
    small = {name for name, card in cards.items() if card.components == ComponentSizes(50, 10)}
    assert small == {name for name in cards if name.startswith(("road-obstacle-21", "lost-and-found"))}
    assert {cards[name].components for name in cards.keys() - small} == {ComponentSizes(500, 100)}
