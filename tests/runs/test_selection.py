"""Selections from several runs in reports: different results never have the same name."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import oodbench
from oodbench.cli.main import app
from oodbench.contracts import PublishedResult, Requirements, RunView
from oodbench.errors import UnknownNameError, UsageError
from oodbench.registry import Registry
from oodbench.runs.load import load
from oodbench.runs.run import Run
from oodbench.runs.selection import ResultSelection, SelectedRun
from tests.helpers.files import CARD, write_cityscapes, write_network, write_road_anomaly


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create five runs: two that agree in part, one with another network of one name, one of fewer frames, a seed."""
    folder = tmp_path_factory.mktemp("runs")
    write_road_anomaly(folder / "data" / "RoadAnomaly_jpg")
    write_cityscapes(folder / "cityscapes")
    for name, classes in (("one", 19), ("two", 19)):
        path = folder / name / "tiny.onnx"
        path.parent.mkdir()
        write_network(path, classes=classes)
        path.with_suffix(".toml").write_text(CARD if name == "one" else CARD.replace("255.0", "250.0"))

    def made(out: str, methods: Sequence[str], network: str = "one", **options: object) -> None:
        oodbench.run(
            models=[str(folder / network / "tiny.onnx")], methods=methods, benchmarks=["road-anomaly"],
            data=[str(folder / "data")], id_data=[str(folder / "cityscapes")], out=folder / out,
            stop_after="evaluate", **options,
        )  # fmt: skip

    made("first", ["msp", "knn:bank_size=50"])
    made("more", ["msp", "entropy"])
    made("other-network", ["msp"], network="two")
    made("fewer-frames", ["msp"], limit=2)
    made("another-seed", ["knn:bank_size=50"], seed=1)
    return folder


def runs(folder: Path, *names: str) -> tuple[Run, ...]:
    return tuple(load(folder / name) for name in names)


def places(view: RunView) -> list[tuple[str, str, str]]:
    return [(row.label, row.network, row.benchmark) for row in view.results]


KNN = "kNN (bank_size=50)"


def test_common_results_of_two_runs_are_listed_once(folder: Path) -> None:
    view = SelectedRun(runs(folder, "first", "more"))
    assert sorted(places(view)) == [
        ("Entropy", "tiny", "road-anomaly"), ("MSP", "tiny", "road-anomaly"), (KNN, "tiny", "road-anomaly"),
    ]  # fmt: skip
    assert list(view.quality) == ["tiny"]
    assert not any("#" in note for note in view.notes)


def test_different_results_have_the_number_of_their_run(folder: Path) -> None:
    view = SelectedRun(runs(folder, "first", "other-network", "fewer-frames", "another-seed"))
    assert sorted(places(view)) == [
        ("MSP", "tiny", "road-anomaly"), ("MSP", "tiny", "road-anomaly#3"), ("MSP", "tiny#2", "road-anomaly"),
        (KNN, "tiny", "road-anomaly"), (f"{KNN}#4", "tiny", "road-anomaly"),
    ]  # fmt: skip
    assert set(view.quality) == {"tiny", "tiny#2"}
    assert {note.split(":")[0] for note in view.notes} == {"#2", "#3", "#4"}
    assert any(note.endswith("fewer-frames") for note in view.notes if note.startswith("#3"))


def test_maps_and_frames_belong_to_the_run_of_the_result(folder: Path) -> None:
    first, other, fewer = runs(folder, "first", "other-network", "fewer-frames")
    view = SelectedRun((first, other, fewer))
    by_place = dict(zip(places(view), view.results, strict=True))
    frame = first.frames("road-anomaly")[0]
    for place, run in {("MSP", "tiny", "road-anomaly"): first, ("MSP", "tiny#2", "road-anomaly"): other}.items():
        row = by_place[place]
        assert np.array_equal(view.score(row, frame), run.score(run.results[0], frame)), place
        predicted, own = view.prediction(row, frame), run.prediction(run.results[0], frame)
        assert predicted is not None
        assert own is not None
        assert np.array_equal(predicted.values, own.values)
    assert (len(view.frames("road-anomaly")), len(view.frames("road-anomaly#3"))) == (3, 2)
    assert view.requirements(by_place["MSP", "tiny#2", "road-anomaly"]).retraining is False
    for benchmark in ("road-anomaly", "road-anomaly#3"):
        assert view.image(benchmark, frame).shape == (48, 96, 3)
        assert view.labels(benchmark, frame) is not None
        assert view.semantic_labels(benchmark, frame) is None


def test_a_selection_filters_and_orders(folder: Path) -> None:
    everything = runs(folder, "first", "more", "fewer-frames")
    chosen = SelectedRun(everything, ResultSelection(methods=("entropy", "msp"), benchmarks=("road-anomaly",)))
    assert [label for label, _, _ in places(chosen)] == ["Entropy", "MSP"]
    last = everything[0].frames("road-anomaly")[2]
    framed = SelectedRun(everything, ResultSelection(frames=(last,)))
    assert {benchmark for _, _, benchmark in places(framed)} == {"road-anomaly"}
    assert framed.figure_frames("road-anomaly") == [last]


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (ResultSelection(methods=("mps",)), "unknown method in the run 'mps'. Did you mean 'msp'"),
        (ResultSelection(networks=("tin",)), "Did you mean 'tiny'"),
        (ResultSelection(benchmarks=("road",)), "Did you mean 'road-anomaly'"),
        (ResultSelection(frames=("nowhere",)), "unknown frame in the run 'nowhere'"),
    ],
)
def test_an_unknown_name_is_an_error(folder: Path, choice: ResultSelection, said: str) -> None:
    with pytest.raises(UnknownNameError, match=said):
        _ = SelectedRun(runs(folder, "first"), choice).results


def test_the_filter_keeps_methods_known_to_use_no_ood_data(folder: Path) -> None:
    others = [
        PublishedResult(method=name, network="", benchmark="road-anomaly", metrics={"AP": 0.5}, source="a",
                        reference="b", confirmed=True, protocol="", requirements=Requirements(ood_data=had))
        for name, had in (("clean", False), ("had some", True), ("silent", None))
    ]  # fmt: skip
    view = SelectedRun(runs(folder, "first"), ResultSelection(without=("ood_data",)), tuple(others))
    assert [row.method for row in view.published] == ["clean"]
    assert len(view.results) == 2
    assert view.notes == ["Shown: methods without ood data. Left out: 2, including 1 for which this is unknown"]


def test_the_training_signals_of_external_scores_are_unknown(folder: Path, tmp_path: Path) -> None:
    frames = load(folder / "first").frames("road-anomaly")
    (tmp_path / "scores").mkdir()
    for frame in frames:
        np.save(tmp_path / "scores" / f"{frame}.npy", np.random.default_rng(0).random((48, 96), np.float32))
    given = oodbench.evaluate_scores(
        {"mine": tmp_path / "scores"}, "road-anomaly", anomalous="higher", data=str(folder / "data"),
        out=tmp_path / "run", stop_after="evaluate",
    )  # fmt: skip
    assert given.requirements(given.results[0]) == Requirements()
    assert [label for label, _, _ in places(SelectedRun((*runs(folder, "first"), given)))] == ["MSP", KNN, "mine"]
    with pytest.raises(UsageError, match="the filters leave no result of the run"):
        _ = SelectedRun((given,), ResultSelection(without=("ood_data",))).results


def test_the_command_merges_runs_published_numbers_and_a_leaderboard(folder: Path, tmp_path: Path) -> None:
    entry = {"method": "UNO", "requires_ood": True, "AnomalyTrack-test-PixBinaryClass-area_PRC": 0.9633}
    (tmp_path / "leaderboard.json").write_text(json.dumps({"anomaly_track": [entry]}))
    command = ["report", str(folder / "first"), str(folder / "more"), "--published", "run", "--format", "terminal"]
    command += ["--leaderboard", f"segment-me-if-you-can={tmp_path / 'leaderboard.json'}"]
    shown = CliRunner().invoke(app, command).stdout
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    # The table is wider than 100 characters: the numbers are in one block, the training signals in another.
    assert "SML DeepLabV3+, ResNet-101 SML 2, SML 1 interpolated-fpr 25.82 49.74 81.96" in lines
    assert "SML DeepLabV3+, ResNet-101 SML 2, SML 1 interpolated-fpr 80.33 -" in lines
    assert "SML DeepLabV3+, ResNet-101 SML 2, SML 1 interpolated-fpr - - -" in lines
    assert "UNO ? SMIYC smiyc ? ? yes 96.33" in lines
    assert "GMMSeg SegFormer, MiT-B5 GMMSeg, second hand, GMMSeg ? 57.65? 44.34 89.37?" in lines
    clean = CliRunner().invoke(app, [*command, "--without", "ood-data"]).stdout
    for method in ("PEBAL  ", "UNO  "):
        assert f"\n{method}" in shown
        assert f"\n{method}" not in clean


def test_invalid_options_are_errors(folder: Path) -> None:
    first = str(folder / "first")
    for options, said in (
        (["--leaderboard", "board.json"], "expected NAME=FILE"),
        (["--published", "road-anomly"], "Did you mean 'road-anomaly'"),
        (["--figure", "markdown"], "markdown is a report, not a figure"),
    ):
        result = CliRunner().invoke(app, ["report", first, *options])
        assert said in str(result.exception), options
    assert Registry().report("json").card.text
