"""Photographs without labels: maps, pictures, the threshold, and errors."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import oodbench
from oodbench.cli.main import app
from oodbench.contracts import Needs
from oodbench.errors import DataError, OodbenchError, RunFolderError, UnknownNameError, UsageError
from oodbench.segmenters.onnx import OnnxSegmenter
from oodbench.types import SegmenterOutput
from oodbench.workflows.evaluate_scores import evaluate_scores
from oodbench.workflows.predict import Prediction, predict
from tests.helpers.fake_benchmarks import small_run
from tests.helpers.files import photograph, save
from tests.helpers.heard_warnings import HeardWarnings

SIZES = {"a": (48, 96), "b": (33, 47), "c": (90, 31), "d": (1, 1)}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for seed, (name, size) in enumerate(SIZES.items()):
        save(folder / f"{name}.png", photograph(seed, size))
    return folder


@pytest.fixture
def network(network_file: Path, cityscapes: Path) -> dict[str, Any]:
    """Return the small ONNX network with Cityscapes."""
    return {"model": network_file, "id_data": cityscapes, "method": "energy"}


def lines(done: Prediction) -> list[dict[str, str]]:
    with (done.folder / "shares.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_bundled_model_needs_no_data_and_accepts_any_size(photos: Path, tmp_path: Path) -> None:
    done = predict(photos, id_limit=2, out=tmp_path / "out")
    assert done.threshold is not None
    assert done.source == "Streets val, 2 frames"
    for name, (height, width) in SIZES.items():
        score = np.load(done.folder / "maps" / f"{name}.npy")
        assert (score.dtype, score.shape) == (np.float32, (height, width))
        with Image.open(done.folder / "heatmaps" / f"{name}.png") as picture:
            assert picture.format == "PNG"
    assert [share.image for share in done.shares] == ["a", "b", "c", "d"]
    assert [line["width"] for line in lines(done)] == ["96", "47", "31", "1"]


def test_one_calibration_pixel_in_twenty_exceeds_the_threshold(
    photos: Path, tmp_path: Path, network: dict[str, Any], cityscapes: Path
) -> None:
    done = predict(photos, out=tmp_path / "out", **network)
    assert done.threshold is not None
    known = tmp_path / "known"
    for path in (cityscapes / "leftImg8bit" / "val").rglob("*.png"):
        save(known / path.name, np.asarray(Image.open(path)))
    calibration = predict(known, out=tmp_path / "second", **network)
    assert calibration.threshold == done.threshold
    above = []
    for path in sorted(known.iterdir()):
        city = path.name.split("_")[0]
        label = cityscapes / "gtFine" / "val" / city / path.name.replace("leftImg8bit", "gtFine_labelIds")
        valid = np.isin(np.asarray(Image.open(label)), [7, 8, 11, 17, 21, 23, 24, 26])
        above.append((np.load(calibration.folder / "maps" / f"{path.stem}.npy") > done.threshold.score)[valid])
    assert np.concatenate(above).mean() == pytest.approx(0.05, abs=1e-3)


def test_the_printed_shares_are_those_of_the_maps(photos: Path, tmp_path: Path, network: dict[str, Any]) -> None:
    done = predict(photos, out=tmp_path / "out", **network)
    assert done.threshold is not None
    for share, line in zip(done.shares, lines(done), strict=True):
        above = np.load(done.folder / "maps" / f"{share.image}.npy") > np.float32(done.threshold.score)
        assert share.above == above.sum() == int(line["pixels_above"])
        assert share.share == above.mean() == float(line["share_above"])
        assert float(line["threshold"]) == done.threshold.score
    assert len({share.share for share in done.shares}) > 1


@pytest.mark.slow
@pytest.mark.parametrize("method", ["energy", "sml"])
def test_maps_equal_those_of_a_run_and_can_be_evaluated(
    road_anomaly: Path, tmp_path: Path, network: dict[str, Any], method: str
) -> None:
    done = predict(road_anomaly / "frames", out=tmp_path / "out", **(network | {"method": method}))
    run = small_run(network["model"], tmp_path, tmp_path / "run", methods=[method])
    (row,) = run.results
    for name in run.frames("road-anomaly"):
        assert np.load(done.folder / "maps" / f"{name}.npy").tobytes() == run.score(row, name).tobytes()
    given = evaluate_scores(
        done.folder / "maps",
        "road-anomaly",
        anomalous="higher",
        data=road_anomaly,
        stop_after="evaluate",
        out=tmp_path / "g",
    )
    assert given.results[0].metrics == row.metrics


class _Counting(OnnxSegmenter):
    passes: list[int]

    def forward(self, batch: Sequence[Any], needs: Needs) -> SegmenterOutput:
        self.passes.append(len(batch))
        return super().forward(batch, needs)


def test_other_photographs_with_the_same_folder_use_its_fit(
    photos: Path, tmp_path: Path, network: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    _Counting.passes = []
    monkeypatch.setattr("oodbench.segmenters.onnx.OnnxSegmenter", _Counting)
    first = predict(photos, out=tmp_path / "out", **(network | {"method": "knn"}))
    fit, calibrate = 3, 2
    assert len(_Counting.passes) == fit + calibrate + 4
    save(tmp_path / "other" / "e.png", photograph(9))
    with pytest.raises(RunFolderError, match="contains maps of 4 other photographs; the first is a"):
        predict(tmp_path / "other" / "e.png", out=tmp_path / "out", **(network | {"method": "knn"}))
    assert len(list((first.folder / "maps").iterdir())) == 4
    second = predict(
        tmp_path / "other" / "e.png", out=tmp_path / "out", overwrite=True, **(network | {"method": "knn"})
    )
    assert len(_Counting.passes) == fit + calibrate + 4 + 1
    assert second.threshold == first.threshold
    assert {name for name in files(second.folder) if name.split("/")[0] in ("maps", "heatmaps")} == {
        "maps/e.npy",
        "heatmaps/e.png",
    }
    assert [line["image"] for line in lines(second)] == ["e"]


def test_without_in_distribution_frames_there_is_no_threshold(photos: Path, network_file: Path, tmp_path: Path) -> None:
    done = predict(photos, model=network_file, method="msp", out=tmp_path / "out")
    assert done.threshold is None
    assert [share.share for share in done.shares] == [None] * 4
    assert lines(done)[0] == {
        "image": "a", "width": "96", "height": "48", "threshold": "", "pixels_above": "", "share_above": "",
    }  # fmt: skip
    assert "heatmaps/a.png" in files(done.folder)


def test_a_network_far_below_its_card_causes_a_warning(photos: Path, tmp_path: Path, network: dict[str, Any]) -> None:
    card = tmp_path / "card.toml"
    card.write_text(network["model"].with_suffix(".toml").read_text() + "\n[expected]\nmean_confidence = 0.05\n")
    heard = HeardWarnings()
    predict(photos, out=tmp_path / "out", model_card=card, progress=heard, **network)
    assert any("mean confidence on 2 in-distribution frames" in text for text in heard.warnings)


def test_the_orientation_tag_is_ignored(tmp_path: Path, network: dict[str, Any]) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees
    path = save(tmp_path / "photos" / "phone.jpg", photograph(1, (40, 80)), exif=exif)
    done = predict(path, out=tmp_path / "out", **network)
    assert np.load(done.folder / "maps" / "phone.npy").shape == (40, 80)


def test_names_stay_in_the_folder(tmp_path: Path, network: dict[str, Any]) -> None:
    for name in ("a, b", "50%s", "-rf", "x..", "ünï"):
        save(tmp_path / "photos" / f"{name}.png", photograph(1))
    save(tmp_path / "photos" / ".hidden.png", photograph(1))
    before = files(tmp_path)
    done = predict(tmp_path / "photos", out=tmp_path / "out", **network)
    assert {name for name in files(tmp_path) - before if not name.startswith("out/")} == set()
    assert {Path(name).stem for name in files(done.folder) if name.startswith("maps/")} == {
        "a, b", "50%s", "-rf", "x..", "ünï",
    }  # fmt: skip
    assert {line["image"] for line in lines(done)} == {"a, b", "50%s", "'-rf", "x..", "ünï"}


def test_unreadable_photographs_are_errors(tmp_path: Path, network: dict[str, Any]) -> None:
    out = tmp_path / "out"
    with pytest.raises(DataError, match="absent does not exist; expected an image or a folder of images"):
        predict(tmp_path / "absent", out=out, **network)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty: there are no images in this folder"):
        predict(tmp_path / "empty", out=out, **network)
    whole = save(tmp_path / "photos" / "a.png", photograph(1))
    save(tmp_path / "photos" / "a.jpg", photograph(1))
    with pytest.raises(DataError, match=r"a\.(jpg|png) and a\.(jpg|png) have the same name"):
        predict(tmp_path / "photos", out=out, **network)
    whole.write_bytes(whole.read_bytes()[:300])
    with pytest.raises(DataError, match=r"a\.png: not an intact image file"):
        predict(whole, out=out, **network)
    assert not out.exists()


def test_a_folder_with_other_files_is_an_error(photos: Path, tmp_path: Path, network: dict[str, Any]) -> None:
    run = small_run(
        network["model"], tmp_path, tmp_path / "run", methods=["msp"], stop_after="plan", benchmarks=["streets-static"]
    )
    before = files(run.folder)
    with pytest.raises(RunFolderError, match="run: this folder contains a run"):
        predict(photos, out=run.folder, **network)
    assert files(run.folder) == before
    with pytest.raises(RunFolderError, match="contains other files and no run"):
        predict(photos, out=photos, **network)
    done = predict(photos / "d.png", out=tmp_path / "out", **network)
    with pytest.raises(RunFolderError, match="out: contains predictions for photographs, which have no labels"):
        oodbench.load(done.folder)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "enrgy"}, "Did you mean 'energy'?"),
        ({"method": "standard"}, "--method standard: a set of methods; expected the name of a method"),
        ({"method": "gmmseg"}, "GMMSeg fits none of the networks"),
        (
            {"method": "knn", "id_data": ()},
            "knn is fitted on labelled in-distribution frames, and no dataset with the classes cityscapes-19 was "
            "found; no folder was given; expected one of:",
        ),
        ({"model": "net.pth"}, "--model net.pth: no such file"),
        ({"id_limit": 0}, "id_limit is 0"),
    ],
)
def test_invalid_options_are_errors(
    photos: Path, tmp_path: Path, network: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OodbenchError, match=message.replace("?", r"\?")) as error:
        predict(photos, out=tmp_path / "out", **(network | options))
    assert isinstance(error.value, UsageError | DataError)
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_not_an_image_is_an_error(tmp_path: Path, network: dict[str, Any]) -> None:
    (tmp_path / "ids.txt").write_text("a\n")
    with pytest.raises(DataError, match=r"ids.txt: not an image; expected an image or a folder of images") as error:
        predict(tmp_path / "ids.txt", out=tmp_path / "out", **network)
    assert "download" not in str(error.value)


def test_several_photographs_and_folders_are_scored(photos: Path, tmp_path: Path, network: dict[str, Any]) -> None:
    other = save(tmp_path / "other" / "e.png", photograph(9))
    done = predict([other, photos, photos / "a.png"], out=tmp_path / "out", **network)
    assert [share.image for share in done.shares] == ["e", "a", "b", "c", "d"]
    same = save(tmp_path / "same" / "a.jpg", photograph(9))
    with pytest.raises(DataError, match=r"photos/a\.png and .*same/a\.jpg have the same name 'a'") as error:
        predict([photos, same], out=tmp_path / "out", **network)
    assert "Rename one of the two" in str(error.value)


def test_earlier_maps_are_never_deleted_unasked(photos: Path, tmp_path: Path, network: dict[str, Any]) -> None:
    done = predict(photos / "a.png", out=tmp_path / "out", **network)
    before = (done.folder / "maps" / "a.npy").read_bytes()
    with pytest.raises(RunFolderError, match=r"contains maps of another method, network or setting .*Energy there"):
        predict(photos / "a.png", out=tmp_path / "out", **(network | {"method": "msp"}))
    assert (done.folder / "maps" / "a.npy").read_bytes() == before
    # The same photographs and further ones: nothing is lost.
    more = predict(photos, out=tmp_path / "out", **network)
    assert len(list((more.folder / "maps").iterdir())) == 4
    assert (done.folder / "maps" / "a.npy").read_bytes() == before
    save(photos / "a.png", photograph(7))
    with pytest.raises(RunFolderError, match="contains maps of 1 other photograph; the first is a"):
        predict(photos, out=tmp_path / "out", **network)
    predict(photos / "a.png", out=tmp_path / "out", overwrite=True, **(network | {"method": "msp"}))
    assert [path.name for path in (done.folder / "maps").iterdir()] == ["a.npy"]


def test_the_command_scores_with_several_methods(photos: Path, tmp_path: Path, network: dict[str, Any]) -> None:
    command = ["predict", str(photos / "a.png"), str(photos / "b.png"), "--model", str(network["model"])]
    command += ["--id-data", str(network["id_data"]), "--out", str(tmp_path / "out")]
    shown = CliRunner().invoke(app, [*command, "--method", "energy", "--method", "knn:k=2,bank_size=50"])
    assert [line for line in shown.stdout.splitlines() if line.endswith(":")] == ["energy:", "knn:k=2,bank_size=50:"]
    for folder in ("energy", "knn-k=2-bank_size=50"):
        assert {path.stem for path in (tmp_path / "out" / folder / "maps").iterdir()} == {"a", "b"}
    wrong = CliRunner().invoke(app, [*command, "--method", "msp", "--method", "enrgy"])
    assert "Did you mean 'energy'" in str(wrong.exception)
    assert not (tmp_path / "out" / "msp").exists()
    formatted = CliRunner().invoke(app, [*command, "--method", "msp", "--method", "energy", "--format", "mask"])
    assert "--format mask takes one --method, not 2" in str(formatted.exception)


def test_an_unknown_format_explains_masks(photos: Path, tmp_path: Path, network: dict[str, Any]) -> None:
    with pytest.raises(UnknownNameError, match="unknown leaderboard format 'mask'") as error:
        predict(photos, out=tmp_path / "out", form="mask", **network)
    assert "a binary mask is the score map above the threshold in shares.csv" in str(error.value)
    assert not (tmp_path / "out").exists()


def test_only_methods_that_are_fitted_need_one_dataset(
    network: dict[str, Any], road_anomaly: Path, cityscapes: Path, tmp_path: Path
) -> None:
    second = tmp_path / "labelled"
    for split in ("train", "val"):
        save(second / "images" / split / "a.png", photograph(1))
        save(second / "labels" / split / "a.png", np.zeros((48, 96), np.uint8))
    (second / "classes.toml").write_text('classes = "cityscapes-19"\n[values]\nroad = 0\n')
    heard = HeardWarnings()
    run = small_run(network["model"], tmp_path, tmp_path / "run", methods=["msp"], progress=heard)
    (warning,) = (text for text in heard.warnings if text.startswith("without calibration"))
    assert str(cityscapes) in warning
    assert str(second) in warning
    assert run.record.calibrate is None
    for options in ({"methods": ["knn"]}, {"methods": ["msp"], "id_data": [tmp_path]}):
        with pytest.raises(UsageError, match="several datasets with the classes cityscapes-19 were found"):
            small_run(network["model"], tmp_path, tmp_path / "other", **options)


def test_frames_to_fit_on_are_read_only_for_methods_that_are_fitted(
    network_file: Path, road_anomaly: Path, cityscapes: Path, tmp_path: Path
) -> None:
    plain = small_run(network_file, road_anomaly, tmp_path / "plain", methods=["msp"], id_data=[cityscapes])
    assert plain.record.fit is None
    assert plain.record.calibrate is not None
    fitted = small_run(network_file, road_anomaly, tmp_path / "fitted", methods=["msp", "knn"], id_data=[cityscapes])
    assert fitted.record.fit is not None
    command = ["run", "--model", str(network_file), "--data", str(road_anomaly), "--id-data", str(cityscapes)]
    command += ["--out", str(tmp_path / "shown"), "--dry-run", "--method"]
    assert "fitting on" not in CliRunner().invoke(app, [*command, "msp"]).output
    assert "fitting on cityscapes train: 3 frames" in CliRunner().invoke(app, [*command, "knn"]).output
