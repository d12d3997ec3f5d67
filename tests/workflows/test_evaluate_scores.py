"""External scores: results equal to those of a network, warnings and errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import oodbench
from oodbench.baseline import accept
from oodbench.contracts import Scoring
from oodbench.errors import OodbenchError, RunFolderError, ScoreError, UsageError
from oodbench.numerics import resize_score
from oodbench.runs.run import Run
from oodbench.types import Resize
from oodbench.workflows.evaluate_scores import evaluate_scores
from tests.helpers.fake_benchmarks import small_run
from tests.helpers.files import anomaly_label, photograph, save

FIRST = "animals01_Guiguinto_railway_station_Calves"
SECOND = "obstacles03_cardboard"
THIRD = "vehicle02_Skidloader"


def ramps(seed: int = 0, size: tuple[int, int] = (48, 96)) -> dict[str, np.ndarray]:
    """Create a map for each of the three frames."""
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=size).astype(np.float32) for name in (FIRST, SECOND, THIRD)}


def write(folder: Path, maps: Mapping[str, np.ndarray]) -> Path:
    for name, values in maps.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(folder / f"{name}.npy", values)
    return folder


def evaluate_folder(folder: Path | Mapping[str, str | Path], data: Path, out: Path, **options: Any) -> Run:
    return evaluate_scores(
        folder,
        "road-anomaly",
        **{"anomalous": "higher", "data": [data], "out": out, "stop_after": "evaluate"} | options,
    )


def metrics(run: Run) -> list[dict[str, float | None]]:
    return [row.metrics for row in run.results]


# Equal results


def test_the_scores_of_a_run_in_files_give_bit_identical_results(
    network_file: Path, road_anomaly: Path, tmp_path: Path
) -> None:
    run = small_run(network_file, road_anomaly, tmp_path / "run", methods=["msp", "energy"])
    for row in run.results:
        write(tmp_path / row.method, {name: run.score(row, name) for name in run.frames("road-anomaly")})
    folders = [tmp_path / "msp", tmp_path / "energy"]
    given = evaluate_scores(
        folders, "road-anomaly", anomalous="higher", data=road_anomaly, out=tmp_path / "given", stop_after="evaluate"
    )
    assert [row.label for row in given.results] == ["msp", "energy"]
    for mine, theirs in zip(given.results, run.results, strict=True):
        assert (mine.metrics, mine.counts, mine.undefined) == (theirs.metrics, theirs.counts, theirs.undefined)
        assert mine.digests["scores"] == theirs.digests["scores"]
        assert mine.digests["data"] == theirs.digests["data"]
        assert mine.scoring == Scoring("given", "bilinear")
        assert (mine.network, mine.params) == ("given", {"anomalous": "higher"})
    under = (given.evaluate(protocols=["smiyc"]), run.evaluate(protocols=["smiyc"]))
    assert metrics(under[0]) == metrics(under[1])


def test_the_sign_changes_if_lower_is_anomalous(road_anomaly: Path, tmp_path: Path) -> None:
    maps = ramps()
    up = write(tmp_path / "up", maps)
    down = write(tmp_path / "down", {name: -values for name, values in maps.items()})
    run = evaluate_folder(
        {"up": up, "down": down}, road_anomaly, tmp_path / "run", anomalous={"up": "higher", "down": "lower"}
    )
    first, second = run.results
    assert first.metrics == second.metrics
    assert first.digests["scores"] == second.digests["scores"]
    assert second.params == {"anomalous": "lower"}


@pytest.mark.parametrize("resize", ["bilinear", "bilinear-aligned"])
def test_smaller_maps_are_resized_to_the_labels_with_a_warning(
    road_anomaly: Path, tmp_path: Path, resize: Resize
) -> None:
    small = ramps(size=(12, 48))
    write(tmp_path / "small", small)
    write(tmp_path / "large", {name: resize_score(values, (48, 96), resize) for name, values in small.items()})
    folders = {"small": tmp_path / "small", "large": tmp_path / "large"}
    run = evaluate_folder(folders, road_anomaly, tmp_path / "run", resize=resize)
    first, second = run.results
    assert first.metrics == second.metrics
    assert first.scoring == Scoring("given", resize)
    note = f"small: 3 of 3 score maps are smaller than their labels (48 x 12 for 96 x 48) and are resized ({resize})"
    assert note in first.warnings
    assert not any("smaller" in warning for warning in second.warnings)


def test_files_of_several_formats_are_read(road_anomaly: Path, tmp_path: Path) -> None:
    maps = {name: np.round(values * 100 + 1000).astype(np.uint16) for name, values in ramps().items()}
    folder = tmp_path / "mixed"
    folder.mkdir()
    save(folder / f"{FIRST}.png", maps[FIRST])
    np.savez_compressed(folder / f"{SECOND}.npz", maps[SECOND].astype(np.float64))
    with h5py.File(folder / f"{THIRD}.hdf5", "w") as file:
        file["value"] = maps[THIRD].astype(np.float16)
    plain = write(tmp_path / "plain", {name: values.astype(np.float32) for name, values in maps.items()})
    first, second = evaluate_folder({"mixed": folder, "plain": plain}, road_anomaly, tmp_path / "run").results
    assert first.metrics == second.metrics
    assert first.digests["scores"] == second.digests["scores"]


PLUGIN = """
from pathlib import Path
from oodbench.contracts import Benchmark, BenchmarkCard
from oodbench.data import VOID_RULE, LabelRule, file_frame
from oodbench.types import FrameSet

PLUGINS = {"benchmarks": {"towns": ("Towns", "ids with a slash")}}
ROOT = Path(__file__).parent / "towns"


class Towns(Benchmark):
    card = BenchmarkCard("towns", "Towns", "none", "none", "none", 1, {"0": "in"}, {"own": "own"}, "", "pooled")

    def open(self, roots):
        rule = LabelRule(VOID_RULE, "")
        return FrameSet((file_frame("bern/a", "bern", ROOT / "a.png", ROOT / "a_label.png", rule),), "own", ROOT, 1)
"""


def test_an_id_with_a_slash_is_a_file_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "towns.py").write_text(PLUGIN)
    save(tmp_path / "towns" / "a.png", photograph(1))
    save(tmp_path / "towns" / "a_label.png", anomaly_label(1))
    write(tmp_path / "mine" / "bern", {"a": ramps()[FIRST]})
    plugins = [tmp_path / "towns.py"]
    run = evaluate_scores(
        tmp_path / "mine", "towns", anomalous="higher", out=tmp_path / "run", stop_after="evaluate", plugins=plugins
    )
    assert run.results[0].counts["frames"] == 1
    everything = {path.relative_to(run.folder).as_posix() for path in run.folder.rglob("*") if path.is_file()}
    assert not [path for path in everything if "bern" in path or "mine" in path]
    assert metrics(oodbench.load(run.folder, plugins=plugins).evaluate()) == metrics(run)


# Folder of the run


def test_the_output_folder_is_that_of_a_run(road_anomaly: Path, tmp_path: Path) -> None:
    folder = write(tmp_path / "mine", ramps())
    run = evaluate_folder(folder, road_anomaly, tmp_path / "run", protocols=["pooled", "caos"], stop_after="report")
    assert [row.protocol.name for row in run.results] == ["pooled", "caos"]
    again = oodbench.load(run.folder)
    assert metrics(again) == metrics(run)
    assert list(again.table()["scoring"]) == ["given", "given"]
    assert again.score(run.results[0], SECOND).tobytes() == ramps()[SECOND].tobytes()
    names = {path.name for path in (run.folder / "report").iterdir()}
    assert names >= {"table.txt", "table.csv", "heatmaps-road-anomaly.png"}
    assert "external scores, smaller maps resized to" in (run.folder / "report" / "table.txt").read_text()
    paths = [path.relative_to(run.folder).as_posix() for path in run.folder.rglob("*.npy")]
    assert all(re.fullmatch(r"scores/given-[0-9a-f]{12}/[0-9a-f]{20}\.npy", path) for path in paths)
    assert len(paths) == 3
    accept(run.folder, tmp_path / "baseline.json")
    assert oodbench.gate(run.folder, tmp_path / "baseline.json").passed


def test_worse_scores_fail_the_gate(road_anomaly: Path, tmp_path: Path) -> None:
    maps = ramps()
    good = {name: values.copy() for name, values in maps.items()}
    labels = evaluate_folder(write(tmp_path / "x", maps), road_anomaly, tmp_path / "first")
    for name in good:
        found = labels.labels("road-anomaly", name)
        assert found is not None
        good[name] += 3 * (found.values == 1)
    accept(
        evaluate_folder({"mine": write(tmp_path / "good", good)}, road_anomaly, tmp_path / "good-run").folder,
        tmp_path / "b",
    )
    bad = evaluate_folder({"mine": tmp_path / "x"}, road_anomaly, tmp_path / "bad-run")
    assert {move.metric for move in oodbench.gate(bad.folder, tmp_path / "b").worse} == {"AP", "FPR95"}


def test_changed_files_give_another_run(road_anomaly: Path, tmp_path: Path) -> None:
    folder = write(tmp_path / "mine", ramps())
    before = metrics(evaluate_folder(folder, road_anomaly, tmp_path / "run"))
    assert metrics(evaluate_folder(folder, road_anomaly, tmp_path / "run")) == before
    write(folder, ramps(1))
    with pytest.raises(RunFolderError, match="belongs to another run"):
        evaluate_folder(folder, road_anomaly, tmp_path / "run")
    after = evaluate_folder(folder, road_anomaly, tmp_path / "run", if_exists="overwrite")
    assert metrics(after) != before
    assert len(list(after.folder.glob("scores/*"))) == 1


def test_a_limit_uses_the_first_frames_and_accepts_the_other_files(road_anomaly: Path, tmp_path: Path) -> None:
    run = evaluate_folder(write(tmp_path / "mine", ramps()), road_anomaly, tmp_path / "run", limit=2)
    assert run.results[0].counts["frames"] == 2
    assert not any("match no frame" in warning for warning in run.results[0].warnings)


# Warnings


def test_scores_with_the_wrong_sign_cause_a_warning(road_anomaly: Path, tmp_path: Path) -> None:
    first = evaluate_folder(write(tmp_path / "x", ramps()), road_anomaly, tmp_path / "first")
    turned = {}
    for name in (FIRST, SECOND, THIRD):
        found = first.labels("road-anomaly", name)
        assert found is not None
        turned[name] = (ramps()[name] - (found.values == 1)).astype(np.float32)
    write(tmp_path / "mine", turned)
    (row,) = evaluate_folder(tmp_path / "mine", road_anomaly, tmp_path / "run").results
    assert row.warnings[-1] == "mine: AUROC is 0.24 with higher scores as anomalous: should it be --anomalous lower?"
    (other,) = evaluate_folder(tmp_path / "mine", road_anomaly, tmp_path / "other", anomalous="lower").results
    assert not any("AUROC" in warning for warning in other.warnings)


def test_saturated_scores_and_files_without_a_frame_cause_warnings(road_anomaly: Path, tmp_path: Path) -> None:
    flat = {name: (values > 0).astype(np.float32) for name, values in ramps().items()}
    write(tmp_path / "mine", flat | {"test/cow0003": flat[FIRST], "zebra": flat[FIRST]})
    (row,) = evaluate_folder(tmp_path / "mine", road_anomaly, tmp_path / "run").results
    assert any(re.match(r"mine: 5\d\.\d % .* share one score: it saturates", warning) for warning in row.warnings)
    assert "mine: 2 of its score maps match no frame of road-anomaly; the first is test/cow0003.npy" in row.warnings


# Errors


def assert_error(folder: Path, data: Path, out: Path, *parts: str, **options: Any) -> None:
    with pytest.raises(OodbenchError) as error:
        evaluate_folder(folder, data, out, **options)
    for part in parts:
        assert part in str(error.value), f"{part!r} is not in: {error.value}"
    assert not out.exists()


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({THIRD: np.zeros((49, 96), np.float32)}, ("vehicle02_Skidloader.npy: the scores are 96 x 49", "are 96 x 48")),
        (
            {THIRD: np.zeros((96, 48), np.float32)},
            ("the scores are 48 x 96", "expected the size of the labels or a smaller size"),
        ),
        ({THIRD: np.full((48, 96), np.nan)}, ("4608 of 4608 scores are NaN", "vehicle02_Skidloader.npy")),
        ({THIRD: np.zeros((48, 96), np.int32)}, ("contains int32", "vehicle02_Skidloader.npy")),
    ],
)
def test_an_invalid_file_is_found_before_anything_is_written(
    road_anomaly: Path, tmp_path: Path, changes: dict[str, np.ndarray], parts: tuple[str, ...]
) -> None:
    assert_error(write(tmp_path / "mine", ramps() | changes), road_anomaly, tmp_path / "run", *parts)


def test_a_frame_without_scores_is_an_error(road_anomaly: Path, tmp_path: Path) -> None:
    folder = write(tmp_path / "mine", {FIRST: ramps()[FIRST]})
    parts = ("2 of 3 frames have no score map. The first is obstacles03_cardboard", "{npy,npz,hdf5,h5,png}")
    assert_error(folder, road_anomaly, tmp_path / "run", *parts)


def test_two_maps_for_one_image_are_an_error(road_anomaly: Path, tmp_path: Path) -> None:
    frames = road_anomaly / "frames"
    (frames / f"{SECOND}.jpg").write_bytes((frames / f"{FIRST}.jpg").read_bytes())
    parts = (f"{FIRST} and {SECOND} are the same image, but their score maps differ",)
    assert_error(write(tmp_path / "mine", ramps()), road_anomaly, tmp_path / "run", *parts)
    same = ramps() | {SECOND: ramps()[FIRST]}
    assert len(evaluate_folder(write(tmp_path / "mine", same), road_anomaly, tmp_path / "run").results) == 1


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"anomalous": "up"}, ("mine: anomalous is 'up'; expected 'higher' or 'lower'", "--anomalous higher")),
        ({"anomalous": {"other": "lower"}}, ("mine: anomalous is None",)),
        ({"protocols": ["smyc"]}, ("unknown protocol 'smyc'. Did you mean 'smiyc'?",)),
        ({"resize": "nearest"}, ("resize is 'nearest'",)),
    ],
)
def test_invalid_options_are_errors(
    road_anomaly: Path, tmp_path: Path, options: dict[str, Any], parts: tuple[str, ...]
) -> None:
    assert_error(write(tmp_path / "mine", ramps()), road_anomaly, tmp_path / "run", *parts, **options)


def test_a_call_without_a_folder_is_an_error() -> None:
    with pytest.raises(UsageError, match="no folder of score maps was given"):
        evaluate_scores([], "road-anomaly", anomalous="higher")


def test_two_folders_with_one_name_are_an_error(road_anomaly: Path, tmp_path: Path) -> None:
    folders = [write(tmp_path / where / "mine", ramps()) for where in ("a", "b")]
    with pytest.raises(UsageError, match="two --scores are called 'mine'"):
        evaluate_scores(folders, "road-anomaly", anomalous="higher", data=road_anomaly, out=tmp_path / "run")


def test_an_unknown_benchmark_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Did you mean 'road-anomaly'"):
        evaluate_scores(tmp_path, "road-anomly", anomalous="higher")


def test_a_missing_scores_folder_is_an_error(road_anomaly: Path, tmp_path: Path) -> None:
    with pytest.raises(ScoreError, match="absent does not exist"):
        evaluate_folder(tmp_path / "absent", road_anomaly, tmp_path / "run")
