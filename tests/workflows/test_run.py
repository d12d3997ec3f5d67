"""Complete runs on small real files: stored artifacts, shared computations, and resuming after an interruption."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import oodbench
from oodbench.contracts import Needs, Result, Scoring
from oodbench.errors import NotStoredError, RunFolderError
from oodbench.metrics import POOLED, PROTOCOLS, PixelCounts, make_evaluation, pixel_metrics
from oodbench.segmenters.onnx import OnnxSegmenter
from oodbench.types import CITYSCAPES_19, SegmenterOutput
from tests.helpers.every_plugin import Boxes
from tests.helpers.fake_benchmarks import numbers, small_run
from tests.helpers.files import anomaly_label, photograph, save
from tests.helpers.results import results_of

pytestmark = pytest.mark.slow

METHODS = ["energy", "entropy", "gmm-posthoc", "knn", "max-logit", "msp", "sml"]


@pytest.fixture
def data(road_anomaly: Path, cityscapes: Path) -> Path:
    assert road_anomaly.parent == cityscapes.parent
    return road_anomaly.parent


def test_a_benchmark_object_has_reports(network_file: Path, tmp_path: Path) -> None:
    class Crates(Boxes):
        card = replace(Boxes.card, name="crates")

    run = oodbench.run(models=network_file, methods="msp", benchmarks=Crates(), limit=2, out=tmp_path / "run")
    assert (tmp_path / "run" / "report" / "heatmaps-crates.png").is_file()
    assert run.results[0].benchmark == "crates"


def test_a_complete_run_has_all_results_and_reports(network_file: Path, data: Path, tmp_path: Path) -> None:
    run = small_run(network_file, data, tmp_path / "run", stop_after="report")
    assert [row.method for row in run.results] == METHODS
    for row in run.results:
        assert row.counts["frames"] == 3
        assert row.counts["expected_frames"] == 60
        assert "road-anomaly: 3 of 60 frames" in row.warnings
        assert set(row.metrics) == {"AP", "FPR95", "AUROC"}
        assert row.scoring == Scoring("logits", "bilinear")
        assert row.protocol == POOLED
        # The result equals that of a new evaluation of the stored maps.
        counted = PixelCounts()
        for frame in run.frames("road-anomaly"):
            counted.update(run.score(row, frame), run.labels("road-anomaly", frame))
        assert row.metrics == pixel_metrics(counted, POOLED).values
    stored = json.loads((run.folder / "result.json").read_text())
    assert [Result.model_validate(row) for row in results_of(stored)] == list(run.results)
    quality = stored["quality"]["tiny"]
    assert set(quality) == {
        "miou", "accuracy", "ece", "mean_confidence", "iou", "frames", "pixels", "dataset", "split",
    }  # fmt: skip
    assert set(quality["iou"]) == set(CITYSCAPES_19.names)
    assert quality["miou"] == pytest.approx(np.mean([value for value in quality["iou"].values() if value is not None]))
    assert {path.name for path in (run.folder / "report").iterdir()} == {
        "table.txt", "table.md", "table.tex", "table.csv", "heatmaps-road-anomaly.png", "heatmaps-road-anomaly.pdf",
    }  # fmt: skip
    predictions = list((run.folder / "predictions").glob("*/*.npy"))
    assert len(predictions) == 3
    assert np.load(predictions[0]).shape == (48, 96)


def test_the_table_is_a_data_frame(network_file: Path, data: Path, tmp_path: Path) -> None:
    small_run(network_file, data, tmp_path / "run", methods=["msp", "knn:k=2"])
    table = oodbench.load(tmp_path / "run").table()
    assert list(table["label"]) == ["MSP", "kNN (k=2)"]
    assert table["AP"].between(0, 1).all()


class _Counting(OnnxSegmenter):
    passes: list[int]

    def forward(self, batch: Sequence[Any], needs: Needs) -> SegmenterOutput:
        self.passes.append(len(batch))
        return super().forward(batch, needs)


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Record the sizes of the batches that the network processes."""
    _Counting.passes = []
    monkeypatch.setattr("oodbench.segmenters.onnx.OnnxSegmenter", _Counting)
    return _Counting.passes


@pytest.mark.parametrize("methods", [["msp"], METHODS])
def test_one_forward_pass_per_batch_serves_all_methods(
    network_file: Path, data: Path, tmp_path: Path, passes: list[int], methods: list[str]
) -> None:
    small_run(network_file, data, tmp_path / "run", methods=methods, batch_size=2)
    fit, calibrate, score = [2, 1], [2], [2, 1]
    assert passes == ([] if methods == ["msp"] else fit) + calibrate + score


def test_the_same_command_computes_nothing_again(
    network_file: Path, data: Path, tmp_path: Path, passes: list[int]
) -> None:
    first = numbers(small_run(network_file, data, tmp_path / "run"))
    done = len(passes)
    assert numbers(small_run(network_file, data, tmp_path / "run")) == first
    assert len(passes) == done


def test_without_out_the_folder_follows_from_the_plan(
    network_file: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = small_run(network_file, data, None, methods=["msp"])
    assert first.folder == small_run(network_file, data, None, methods=["msp"]).folder
    assert first.folder != small_run(network_file, data, None, methods=["msp"], upsample="score").folder
    assert first.folder.parent == Path("runs")


def test_stages_continue_from_the_stored_artifacts(network_file: Path, data: Path, tmp_path: Path) -> None:
    whole = numbers(small_run(network_file, data, tmp_path / "whole"))
    for until in ("plan", "fit", "calibrate", "score", "evaluate"):
        run = small_run(network_file, data, tmp_path / "staged", stop_after=until)
    assert numbers(run) == whole


@pytest.mark.parametrize("batch_size", [1, 2])
def test_a_missing_map_is_computed_again_with_its_batch(
    network_file: Path, data: Path, tmp_path: Path, passes: list[int], batch_size: int
) -> None:
    run = small_run(network_file, data, tmp_path / "run", batch_size=batch_size, stop_after="score")
    passes.clear()
    for path in list((run.folder / "scores").glob("knn-*/*.npy"))[:1]:
        path.unlink()
    damaged = next((run.folder / "scores").glob("msp-*/*.npy"))
    damaged.write_bytes(damaged.read_bytes()[:200])
    run = small_run(network_file, data, tmp_path / "run", batch_size=batch_size)
    assert 1 <= len(passes) <= 2
    assert numbers(run) == numbers(small_run(network_file, data, tmp_path / "other", batch_size=batch_size))


def test_a_run_killed_while_scoring_resumes(network_file: Path, data: Path, tmp_path: Path) -> None:
    names = [f"frame{index:03d}" for index in range(60)]
    folder = data / "RoadAnomaly_jpg" / "frames"
    for seed, name in enumerate(names):
        save(folder / f"{name}.jpg", photograph(seed, (120, 200)), quality=90)
        save(folder / f"{name}.labels" / "labels_semantic.png", anomaly_label(seed, (120, 200), 2, None))
    (data / "RoadAnomaly_jpg" / "frame_list.json").unlink()
    command = [sys.executable, "-m", "oodbench", "run", "--model", str(network_file), "--data", str(data)]
    command += ["--benchmark", "road-anomaly", "--stop-after", "evaluate", "--out"]
    total = len(METHODS) * 63
    process = subprocess.Popen([*command, str(tmp_path / "killed")], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        while len(list((tmp_path / "killed").glob("scores/*/*.npy"))) < total // 4:
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            time.sleep(0.002)
    finally:
        process.kill()
        process.communicate()
    stored = len(list((tmp_path / "killed").glob("scores/*/*.npy")))
    assert total // 4 <= stored < total
    assert not (tmp_path / "killed" / "result.json").exists()
    for out in ("killed", "whole"):
        subprocess.run([*command, str(tmp_path / out)], check=True, capture_output=True)
    assert numbers(oodbench.load(tmp_path / "killed")) == numbers(oodbench.load(tmp_path / "whole"))


def test_evaluation_reads_the_stored_maps_again(network_file: Path, data: Path, tmp_path: Path) -> None:
    run = small_run(network_file, data, tmp_path / "run")
    before = numbers(run)
    network_free = oodbench.load(run.folder).evaluate()
    assert numbers(network_free) == before


@pytest.mark.parametrize(("keep", "left"), [("all", 21), ("figures", 21), ("none", 0)])
def test_keep_scores_selects_the_stored_maps(
    network_file: Path, data: Path, tmp_path: Path, keep: Any, left: int
) -> None:
    run = small_run(network_file, data, tmp_path / "run", keep_scores=keep, stop_after="report")
    assert len(list(run.folder.glob("scores/*/*.npy"))) == left
    before = numbers(run)
    # The results stay, and the same command computes nothing, although there are no maps for figures.
    assert numbers(small_run(network_file, data, tmp_path / "run", keep_scores=keep, stop_after="report")) == before
    if keep == "none":
        with pytest.raises(NotStoredError, match="not stored"):
            oodbench.load(run.folder).evaluate()


def test_one_image_in_two_benchmarks_keeps_the_labels_of_each(network_file: Path, data: Path, tmp_path: Path) -> None:
    for source in sorted((data / "RoadAnomaly_jpg" / "frames").glob("*.jpg")):
        target = data / "RoadAnomaly21" / "images" / source.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
        save(data / "RoadAnomaly21" / "labels_masks" / f"{source.stem}.png", anomaly_label(40))
    both = ["road-anomaly", "road-anomaly-21"]
    together = small_run(network_file, data, tmp_path / "both", methods=["msp"], benchmarks=both)
    for row, name in zip(together.results, both, strict=True):
        (alone,) = small_run(network_file, data, tmp_path / name, methods=["msp"], benchmarks=[name]).results
        assert row.metrics == alone.metrics
        assert row.counts == alone.counts
    assert len(list(together.folder.glob("scores/*/*.npy"))) == 3


def test_keep_figures_keeps_four_evenly_spaced_frames(network_file: Path, data: Path, tmp_path: Path) -> None:
    folder = data / "RoadAnomaly_jpg" / "frames"
    for seed in range(10):
        save(folder / f"more{seed}.jpg", photograph(seed))
        save(folder / f"more{seed}.labels" / "labels_semantic.png", anomaly_label(seed, anomaly=2, void=None))
    run = small_run(network_file, data, tmp_path / "run", methods=["msp"], keep_scores="figures")
    assert len(list(run.folder.glob("scores/*/*.npy"))) == 4
    assert run.figure_frames("road-anomaly")[0] == run.frames("road-anomaly")[0]
    assert run.figure_frames("road-anomaly")[-1] == run.frames("road-anomaly")[-1]


def test_limit_uses_the_first_frames_with_a_warning(network_file: Path, data: Path, tmp_path: Path) -> None:
    run = small_run(network_file, data, tmp_path / "run", methods=["msp"], limit=2)
    assert run.results[0].counts["frames"] == 2
    assert "road-anomaly: limited to 2 of 3 frames" in run.results[0].warnings


def test_upsampling_changes_scores_on_logits_but_not_on_features(
    network_file: Path, data: Path, tmp_path: Path
) -> None:
    rows = {
        upsample: {
            row.method: row for row in small_run(network_file, data, tmp_path / upsample, upsample=upsample).results
        }
        for upsample in ("logits", "score")
    }
    assert rows["logits"]["msp"].metrics != rows["score"]["msp"].metrics
    assert rows["logits"]["knn"].digests["scores"] == rows["score"]["knn"].digests["scores"]


def test_interpolations_differ_and_have_separate_maps(network_file: Path, data: Path, tmp_path: Path) -> None:
    centred, aligned = (
        {
            row.method: row
            for row in small_run(network_file, data, tmp_path / "run", resize=resize, if_exists="reuse").results
        }
        for resize in ("bilinear", "bilinear-aligned")
    )
    for name in METHODS:
        assert centred[name].digests["scores"] != aligned[name].digests["scores"], name
    assert aligned["sml"].scoring == Scoring("logits", "bilinear-aligned")
    assert len(list((tmp_path / "run" / "predictions").glob("*/*.npy"))) == 6
    with pytest.raises(RunFolderError, match="resize: bilinear-aligned there, bilinear here"):
        small_run(network_file, data, tmp_path / "run")


def test_methods_without_a_fit_run_without_in_distribution_frames(
    network_file: Path, road_anomaly: Path, tmp_path: Path
) -> None:
    run = small_run(network_file, road_anomaly, tmp_path / "run", stop_after="report")
    assert [row.method for row in run.results] == ["energy", "entropy", "max-logit", "msp"]
    assert run.calibration(run.results[0]) is None
    skipped = {pair["method"] for pair in run.content.skipped}
    assert skipped == {"kNN", "GMM post hoc", "SML", "GMMSeg", "GMMSeg (normalised)"}
    assert (run.folder / "report" / "heatmaps-road-anomaly.png").is_file()


def test_a_dataset_with_one_split_is_split(network_file: Path, data: Path, tmp_path: Path) -> None:
    import shutil

    shutil.rmtree(data / "cityscapes" / "leftImg8bit" / "val")
    shutil.rmtree(data / "cityscapes" / "gtFine" / "val")
    record = small_run(network_file, data, tmp_path / "run", methods=["knn"]).record
    assert record.fit is not None
    assert record.calibrate is not None
    assert {frame.id for frame in record.fit.frames} & {frame.id for frame in record.calibrate.frames} == set()
    assert len(record.fit.frames) + len(record.calibrate.frames) == 3


def test_a_network_far_below_its_card_causes_a_warning(network_file: Path, data: Path, tmp_path: Path) -> None:
    card = tmp_path / "card.toml"
    card.write_text(
        network_file.with_suffix(".toml").read_text() + "\n[expected]\nmiou = 0.72\nmean_confidence = 0.05\n"
    )
    run = small_run(network_file, data, tmp_path / "run", methods=["msp"], model_cards=[card])
    assert any("mIoU on 2 in-distribution frames" in warning for warning in run.results[0].warnings)
    assert any("mean confidence" in warning for warning in run.results[0].warnings)


def test_a_plugin_in_one_file(network_file: Path, data: Path, tmp_path: Path) -> None:
    plugin = tmp_path / "margin.py"
    plugin.write_text(
        """
from oodbench.contracts import MethodCard, PixelMethod

PLUGINS = {"methods": {"margin": ("Margin", "minus the gap between the two largest logits")}}


class Margin(PixelMethod):
    card = MethodCard(name="margin", title="Margin", paper="none", url="none")

    def pixel_score(self, band):
        best, second = band.logits.topk(2, dim=0).values
        return second - best
"""
    )
    run = small_run(network_file, data, tmp_path / "run", methods=["margin", "msp"], plugins=[plugin])
    assert [row.method for row in run.results] == ["margin", "msp"]
    assert len(oodbench.load(run.folder).table()) == 2


def test_an_edited_plugin_is_scored_again(network_file: Path, data: Path, tmp_path: Path) -> None:
    plugin = tmp_path / "sign.py"
    text = """
from oodbench.contracts import MethodCard, PixelMethod

PLUGINS = {"methods": {"sign": ("Sign", "for a test")}}


class Sign(PixelMethod):
    card = MethodCard(name="sign", title="Sign", paper="none", url="none")

    def pixel_score(self, band):
        return band.summary.best
"""
    aps = []
    for content in (text, text.replace("return band", "return -band")):
        plugin.write_text(content)
        made = small_run(network_file, data, tmp_path / "run", methods=["sign"], plugins=[plugin], if_exists="reuse")
        aps.append(made.results[0].metrics["AP"])
    assert aps[0] != aps[1]


def test_a_later_card_is_compared_with_the_measured_quality(network_file: Path, data: Path, tmp_path: Path) -> None:
    card = tmp_path / "card.toml"
    card.write_text(network_file.with_suffix(".toml").read_text())
    first = small_run(network_file, data, tmp_path / "run", methods=["msp"], model_cards=[card])
    assert not any("mIoU" in warning for warning in first.results[0].warnings)
    card.write_text(card.read_text() + "\n[expected]\nmiou = 0.72\n")
    second = small_run(network_file, data, tmp_path / "run", methods=["msp"], model_cards=[card])
    assert any("mIoU" in warning for warning in second.results[0].warnings)


def test_other_calibration_frames_give_another_calibration(network_file: Path, data: Path, tmp_path: Path) -> None:
    first = small_run(network_file, data, tmp_path / "run", methods=["msp"])
    before = first.calibration(first.results[0])
    one = small_run(network_file, data, tmp_path / "run", methods=["msp"], id_limit=1, if_exists="reuse")
    after = one.calibration(one.results[0])
    assert before is not None
    assert after is not None
    assert (before.source, after.source) == ("Cityscapes val, 2 frames", "Cityscapes val, 1 frame")
    assert not np.array_equal(before.quantiles, after.quantiles)


def test_a_missing_prediction_is_computed_again(network_file: Path, data: Path, tmp_path: Path) -> None:
    run = small_run(network_file, data, tmp_path / "run", methods=["knn"])
    logits = {path.name: np.load(path) for path in run.folder.glob("predictions/*/*.npy")}
    next(run.folder.glob("predictions/*/*.npy")).unlink()
    small_run(network_file, data, tmp_path / "run", methods=["knn"])
    assert len(list(run.folder.glob("predictions/*/*.npy"))) == len(logits) == 3
    small_run(network_file, data, tmp_path / "run", methods=["knn"], upsample="score", if_exists="reuse")
    assert len(list(run.folder.glob("predictions/*/*.npy"))) == 6


def test_keep_scores_all_restores_the_maps(network_file: Path, data: Path, tmp_path: Path) -> None:
    small_run(network_file, data, tmp_path / "run", methods=["msp"], keep_scores="none")
    run = small_run(network_file, data, tmp_path / "run", methods=["msp"], keep_scores="all")
    assert len(list(run.folder.glob("scores/*/*.npy"))) == 3


def test_stored_scores_are_evaluated_under_another_protocol(
    network_file: Path, data: Path, tmp_path: Path, passes: list[int]
) -> None:
    run = small_run(network_file, data, tmp_path / "run", methods=["msp", "knn"])
    done = len(passes)
    both = oodbench.load(run.folder).evaluate(protocols=["pooled", "caos"])
    assert len(passes) == done
    assert [(row.method, row.protocol.name) for row in both.results] == [
        ("msp", "pooled"), ("knn", "pooled"), ("msp", "caos"), ("knn", "caos"),
    ]  # fmt: skip
    assert both.results[0].metrics == run.results[0].metrics
    under = make_evaluation(PROTOCOLS["caos"])
    for frame in run.frames("road-anomaly"):
        labels = run.labels("road-anomaly", frame)
        assert labels is not None
        under.update(run.score(run.results[0], frame), labels)
    assert both.results[2].metrics == under.metrics().values
    text = both.registry.report("terminal").text(both)
    assert "protocol pooled" in text
    assert "protocol caos" in text
    assert len(both.table()) == 4


def test_a_saturated_method_causes_a_warning(network_file: Path, data: Path, tmp_path: Path) -> None:
    plugin = tmp_path / "flat.py"
    plugin.write_text(
        """
from oodbench.contracts import MethodCard, PixelMethod

PLUGINS = {"methods": {"flat": ("Flat", "two values, no more")}}


class Flat(PixelMethod):
    card = MethodCard(name="flat", title="Flat", paper="none", url="none")

    def pixel_score(self, band):
        return (band.summary.others > 1).float()
"""
    )
    run = small_run(network_file, data, tmp_path / "run", methods=["flat", "msp"], plugins=[plugin])
    flat, msp = run.results
    assert any("share one score: it saturates" in warning for warning in flat.warnings)
    assert not any("saturates" in warning for warning in msp.warnings)


def test_single_names_and_mappings_of_folders_are_accepted(network_file: Path, data: Path, tmp_path: Path) -> None:
    made = oodbench.run(
        models=network_file,
        methods="msp",
        data={"road-anomaly": data / "RoadAnomaly_jpg"},
        id_data=data,
        out=tmp_path / "run",
        stop_after="evaluate",
    )
    assert [(row.method, row.benchmark) for row in made.results] == [("msp", "road-anomaly")]
