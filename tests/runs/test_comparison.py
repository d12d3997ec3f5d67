"""Comparison of selected methods, within networks, and of a run with external scores."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import oodbench
from oodbench.blending import write_blends
from oodbench.cli.main import app
from oodbench.contracts import MethodComparison
from oodbench.data import open_photographs
from oodbench.errors import NotComparableError, UnknownNameError, UsageError
from oodbench.registry import Registry
from oodbench.runs.run import Run
from oodbench.runs.selection import SelectedRun
from tests.helpers.files import CARD, anomaly_label, photograph, save, write_network, write_road_anomaly

METHODS = ["msp", "entropy", "energy"]
FRAMES = 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a run of two networks and one of a single network, on six frames, and folders of maps."""
    folder = tmp_path_factory.mktemp("comparison")
    data = folder / "data" / "RoadAnomaly_jpg"
    write_road_anomaly(data)
    for seed in range(3, FRAMES):
        save(data / "frames" / f"{seed}.jpg", photograph(seed), quality=95)
        save(data / "frames" / f"{seed}.labels" / "labels_semantic.png", anomaly_label(seed, anomaly=2, void=None))
    names = sorted(path.name for path in (data / "frames").glob("*.jpg"))
    (data / "frame_list.json").write_text(json.dumps(names))
    for name in ("left", "right"):
        write_network(folder / f"{name}.onnx", classes=19)
        card = CARD.replace("tiny", name)
        (folder / f"{name}.toml").write_text(card if name == "left" else card.replace("255.0", "200.0"))
    options: dict[str, Any] = {
        "methods": METHODS, "benchmarks": "road-anomaly", "data": folder / "data", "stop_after": "evaluate",
    }  # fmt: skip
    both = oodbench.run(models=[folder / "left.onnx", folder / "right.onnx"], out=folder / "both", **options)
    oodbench.run(models=folder / "left.onnx", out=folder / "one", **options)
    oodbench.export_scores(both, folder / "maps" / "energy", method="energy", network="left")
    write_blends(open_photographs(data / "frames").frames[:2], folder / "blended", 5, 0)
    rng = np.random.default_rng(0)
    (folder / "maps" / "mine").mkdir()
    (folder / "maps" / "small").mkdir()
    for frame in both.frames("road-anomaly"):
        noise = rng.normal(size=(48, 96)).astype(np.float32)
        np.save(folder / "maps" / "mine" / f"{frame}.npy", noise)
        np.save(folder / "maps" / "small" / f"{frame}.npy", noise[::2, ::2])
    return folder


def external(folder: Path, out: Path, **names: str) -> Run:
    return oodbench.evaluate_scores(
        {label: folder / "maps" / name for label, name in names.items()}, "road-anomaly", anomalous="higher",
        data=folder / "data", out=out, stop_after="evaluate",
    )  # fmt: skip


def compare(first: Path | Run, second: Path | Run | None = None, **options: Any) -> list[MethodComparison]:
    return oodbench.compare(first, second, metrics=["AP"], resamples=199, **options)


def entries(table: MethodComparison) -> set[tuple[str, str]]:
    return {(entry.label, entry.network) for entry in table.entries}


def test_selected_methods_make_a_smaller_family(folder: Path) -> None:
    (everything,) = compare(folder / "both")
    assert everything.comparisons == 15
    (chosen,) = compare(folder / "both", methods=["energy", "MSP"], networks=["left"])
    assert chosen.comparisons == 1
    assert entries(chosen) == {("Energy", "left"), ("MSP", "left")}
    with pytest.raises(UnknownNameError, match="Did you mean 'left'"):
        compare(folder / "both", networks=["lefft"])
    with pytest.raises(UnknownNameError, match="Did you mean 'energy'"):
        compare(folder / "both", methods=["enrgy"])
    with pytest.raises(NotComparableError, match="it has only one result"):
        compare(folder / "one", methods=["msp"])


def test_a_reference_is_compared_within_each_network(folder: Path) -> None:
    left, right = compare(folder / "both", reference="energy", methods=["energy", "msp"])
    assert (left.reference, left.comparisons) == ("Energy / left", 1)
    assert (right.reference, right.comparisons) == ("Energy / right", 1)
    assert entries(right) == {("Energy", "right"), ("MSP", "right")}
    (one,) = compare(folder / "both", reference="Energy / left")
    assert one.comparisons == 5
    with pytest.raises(UnknownNameError, match=r"unknown reference 'enrgy'\. Did you mean 'energy'"):
        compare(folder / "both", reference="enrgy")


def test_an_ambiguous_reference_is_an_error(folder: Path, tmp_path: Path) -> None:
    run = external(folder, tmp_path / "given", mine="mine", again="small")
    with pytest.raises(UsageError, match="--reference given: several methods have this name: mine / given, again"):
        compare(run, reference="given")


def test_external_scores_are_compared_with_the_methods_of_a_run(folder: Path, tmp_path: Path) -> None:
    given = external(folder, tmp_path / "given", mine="mine")
    (table,) = compare(folder / "one", given)
    assert table.comparisons == 6
    assert entries(table) == {("mine", "given"), *((label, "left") for label in ("MSP", "Entropy", "Energy"))}
    assert any("External scores, whose resolution is not known: mine / given" in note for note in table.left_out)
    (swapped,) = compare(given, folder / "one", methods=["mine", "msp"])
    assert swapped.comparisons == 1
    left, right = compare(folder / "both", given, reference="energy")
    assert entries(right) == {("mine", "given"), *((label, "right") for label in ("MSP", "Entropy", "Energy"))}
    assert left.comparisons == 3
    (mine,) = compare(folder / "both", given, reference="mine")
    assert (mine.reference, mine.comparisons) == ("mine / given", 6)
    # The maps of the run itself do not differ from it.
    (same,) = compare(folder / "one", external(folder, tmp_path / "same", Energy="energy"))
    (entry,) = same.entries
    assert entry.difference is not None
    assert (entry.difference.value, entry.difference.p) == (0.0, 1.0)
    assert "only in the first run: MSP / left, road-anomaly" in same.left_out


def test_two_runs_without_a_common_method_name_the_remedy(folder: Path, tmp_path: Path) -> None:
    other = oodbench.run(
        models=folder / "left.onnx", methods=["max-logit"], benchmarks="road-anomaly", data=folder / "data",
        out=tmp_path / "other", stop_after="evaluate",
    )  # fmt: skip
    with pytest.raises(NotComparableError, match="name one of them with --reference") as error:
        compare(folder / "one", other)
    assert "--upsample" not in str(error.value)
    (table,) = compare(folder / "one", other, reference="max-logit")
    assert table.comparisons == 3
    (same,) = compare(folder / "one", folder / "one", reference="msp")
    assert same.comparisons == 2


def test_other_frames_are_never_compared(folder: Path, tmp_path: Path) -> None:
    fewer = oodbench.evaluate_scores(
        {"mine": folder / "maps" / "mine"}, "road-anomaly", anomalous="higher", data=folder / "data", limit=5,
        out=tmp_path / "fewer", stop_after="evaluate",
    )  # fmt: skip
    with pytest.raises(NotComparableError) as error:
        compare(folder / "one", fewer)
    assert len(error.value.reasons) == 2
    assert error.value.reasons[1].endswith("fewer: mine / given, road-anomaly#2, 5 frames, protocol pooled")
    assert "Evaluate both on the same frames" in str(error.value)


def test_a_reference_on_one_of_several_benchmarks(folder: Path, tmp_path: Path) -> None:
    """External scores have one benchmark, a run may have several."""
    run = oodbench.run(
        models=folder / "left.onnx", methods=["msp"], benchmarks=["road-anomaly", "synthetic-blend"],
        data=[folder / "data", folder / "blended"], out=tmp_path / "run", stop_after="evaluate",
    )  # fmt: skip
    given = external(folder, tmp_path / "given", mine="mine")
    (table,) = compare(run, given, reference="mine")
    assert (table.benchmark, table.comparisons) == ("road-anomaly", 1)
    assert any("only in" in note and "synthetic-blend" in note for note in table.left_out)


def test_a_protocol_without_sketches_names_one_with_sketches(folder: Path) -> None:
    run = oodbench.load(folder / "one").evaluate(protocols=["smiyc"])
    with pytest.raises(NotComparableError) as error:
        compare(run)
    assert error.value.reasons == (
        "road-anomaly (smiyc): protocol smiyc has no sketch per frame, which the comparison needs",
    )
    assert error.value.remedy == "Compare under a protocol that has sketches: --protocol pooled."
    # The other results are still there.
    assert len(compare(folder / "one")) == 1


def test_a_protocol_without_sketches_needs_no_frames(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "data", tmp_path / "data")
    run = oodbench.evaluate_scores(
        {name: folder / "maps" / name for name in ("mine", "small")}, "road-anomaly", anomalous="higher",
        data=tmp_path / "data", protocols=["smiyc"], out=tmp_path / "run", stop_after="evaluate",
    )  # fmt: skip
    shutil.rmtree(tmp_path / "data")
    with pytest.raises(NotComparableError) as error:
        compare(run)
    assert error.value.remedy == (
        "Compare under a protocol that has sketches: --protocol pooled, after: oodbench evaluate RUN --protocol pooled."
    )


def test_two_runs_are_compared_and_shown_under_the_protocols_of_both(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "one", tmp_path / "one")
    oodbench.load(tmp_path / "one").evaluate(protocols=["caos"])
    given = oodbench.evaluate_scores(
        {"mine": folder / "maps" / "mine"}, "road-anomaly", anomalous="higher", data=folder / "data",
        protocols=["pooled", "caos"], out=tmp_path / "given", stop_after="evaluate",
    )  # fmt: skip
    for pair in ((tmp_path / "one", given), (given, tmp_path / "one")):
        tables = compare(*pair)
        assert {(table.protocol, len(table.entries)) for table in tables} == {("pooled", 4), ("caos", 4)}
        assert not any("only in" in note for table in tables for note in table.left_out)
    shown = CliRunner().invoke(app, ["report", str(tmp_path / "one"), str(tmp_path / "given")]).stdout
    assert shown.count("mine ") - 2 == shown.count("MSP ") - 2
    # A protocol that was asked for is the only one.
    only = compare(oodbench.load(tmp_path / "one", ["caos"]), tmp_path / "given")
    assert [table.protocol for table in only] == ["caos"]


def test_a_method_of_both_runs_is_compared_under_their_common_protocols(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "one", tmp_path / "one")
    run = oodbench.load(tmp_path / "one").evaluate(protocols=["caos", "pooled"])
    tables = compare(run, folder / "one", methods=["msp"])
    assert [table.protocol for table in tables] == ["pooled"]
    assert "only in the first run: MSP / left, road-anomaly, protocol caos" in tables[0].left_out


def test_one_number_has_one_interval(folder: Path) -> None:
    run = oodbench.load(folder / "both")
    results = {(result.label, result.network): result for result in run.results}
    for table in oodbench.compare(run, resamples=199):
        for entry in table.entries:
            result = results[entry.label, entry.network]
            assert result.intervals is not None
            assert entry.bounds == result.intervals.bounds[table.metric]
            assert entry.value == result.metrics[table.metric]
    text = CliRunner().invoke(app, ["compare", str(folder / "one"), "--metric", "AP", "--resamples", "199"]).stdout
    (result, *_) = oodbench.load(folder / "one").results
    assert result.intervals is not None
    assert result.intervals.text("AP") in text


def test_external_scores_share_the_table_of_a_run(folder: Path, tmp_path: Path) -> None:
    given = external(folder, tmp_path / "given", mine="mine", small="small")
    view = SelectedRun((oodbench.load(folder / "one"), given))
    text = Registry().report("terminal").text(view)
    assert text.count("AP ↑") == 1
    assert "mine, small: external scores, smaller maps resized to the label" in " ".join(text.split())
    assert "small: 6 of 6 score maps are smaller than their labels" in text
    # Alone, external scores have no columns that say only that nothing is known.
    assert "?" not in Registry().report("terminal").text(given).replace("should it be", "").replace("lower?", "")


def test_the_command_prints_the_networks(folder: Path) -> None:
    command = ["compare", str(folder / "both"), "--metric", "AP", "--resamples", "199", "--reference", "msp"]
    text = CliRunner().invoke(app, [*command, "--methods", "energy", "--methods", "msp"]).stdout
    assert text.count("p corrected by Holm for 1 comparison;") == 2
    assert "to MSP / left" in text
    assert "to MSP / right" in text


def test_a_report_leaves_out_intervals_and_names_benchmarks_by_their_titles(folder: Path) -> None:
    command = ["report", str(folder / "one"), "--format", "latex"]
    shown = CliRunner().invoke(app, command).stdout
    assert r"\tiny" in shown
    assert "{Road Anomaly, 6 of 60 frames}" in shown
    plain = CliRunner().invoke(app, [*command, "--no-intervals"]).stdout
    for text in ("tiny", "shortstack", "resamples"):
        assert text not in plain
    for result in oodbench.load(folder / "one").results:
        assert f"{100 * (result.metrics['AP'] or 0):.2f}" in plain
