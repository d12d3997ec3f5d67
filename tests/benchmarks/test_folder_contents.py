"""What a data folder can contain next to its files: by-products of systems, links, other image formats, odd names."""

from __future__ import annotations

import os
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features
from typer.testing import CliRunner

import oodbench
from oodbench.cli.main import app
from oodbench.contracts import Roots
from oodbench.data import find_scores, index_images, open_photographs
from oodbench.data.pairing import describe_other_files
from oodbench.errors import DataError, DataNotFoundError, RunFolderError, ScoreError
from oodbench.files import write_atomically
from tests.benchmarks.test_broken_folders import REGISTRY, TREES, open_frames, read
from tests.benchmarks.test_layouts import open_benchmark
from tests.helpers.files import (
    CARD,
    anomaly_label,
    photograph,
    save,
    write_cityscapes,
    write_network,
    write_road_anomaly,
)
from tests.helpers.layouts import write_anomaly_track, write_street_hazards_test

CLUTTER = (".DS_Store", "Thumbs.db", "desktop.ini")
CLUTTERED_FOLDERS = ("@eaDir", ".ipynb_checkpoints", ".git", "__MACOSX")
AVIF = [".avif"] if features.check("avif") else []
ENDINGS = [".JPG", ".PNG", ".jfif", ".jpe", ".jpeg", ".webp", ".bmp", ".TIF", "", *AVIF]
FORMATS = {".JPG": "JPEG", ".jfif": "JPEG", ".jpe": "JPEG", "": "JPEG", ".TIF": "TIFF"}


def list_ids(name: str, *folders: Path) -> list[str]:
    return [frame.id for frame in open_frames(name, *folders)]


def add_clutter(root: Path) -> None:
    """Add what a Mac, Windows, a disk station and an editor leave to each folder, and the shadow tree of an archive."""
    files = [path for path in root.rglob("*") if path.is_file()]
    for folder in {path.parent for path in files}:
        for name in CLUTTER:
            (folder / name).write_bytes(b"\0")
        for name in CLUTTERED_FOLDERS:
            (folder / name).mkdir(exist_ok=True)
    for path in files:
        path.with_name(f"._{path.name}").write_bytes(b"\0")
        shadow = root / "__MACOSX" / path.relative_to(root)
        shadow.parent.mkdir(parents=True, exist_ok=True)
        shadow.with_name(f"._{path.name}").write_bytes(b"\0")
        shutil.copy(path, path.parent / "@eaDir" / path.name)
        shutil.copy(path, path.parent / ".ipynb_checkpoints" / path.name)
    shutil.copytree(root, root / ".git" / "copy", ignore=lambda *_: [".git"])


def save_as(path: Path, ending: str) -> Path:
    """Save an image with another ending, and in the format that the ending names."""
    renamed = path.with_name(path.stem + ending)
    with Image.open(path) as image:
        pixels = image.convert("RGB")
    path.unlink()
    pixels.save(renamed, format=FORMATS.get(ending))
    return renamed


@pytest.mark.parametrize("key", TREES, ids="-".join)
def test_clutter_is_passed_over(tmp_path: Path, key: tuple[str, str]) -> None:
    TREES[key](tmp_path)
    before = list_ids(key[0], tmp_path)
    add_clutter(tmp_path)
    assert list_ids(key[0], tmp_path) == before


@pytest.mark.parametrize("key", TREES, ids="-".join)
def test_a_linked_copy_is_found_once(tmp_path: Path, key: tuple[str, str]) -> None:
    TREES[key](tmp_path / "store")
    before = list_ids(key[0], tmp_path / "store")
    for name in ("a", "b", "store/loop"):
        (tmp_path / name).symlink_to(tmp_path / "store")
    (tmp_path / "store" / "self").symlink_to("self")
    assert list_ids(key[0], tmp_path / "a", tmp_path / "b") == before


@pytest.mark.parametrize("key", [key for key in TREES if key[0] != "synthetic-blend"], ids="-".join)
def test_images_in_other_formats_are_found(tmp_path: Path, key: tuple[str, str]) -> None:
    TREES[key](tmp_path)
    before = open_frames(key[0], tmp_path)
    for index, image in enumerate(dict.fromkeys(frame.image_file for frame in before)):
        assert image is not None
        save_as(image, ENDINGS[index % len(ENDINGS)])
    after = open_frames(key[0], tmp_path)
    assert [frame.id for frame in after] == [frame.id for frame in before]
    for frame in after:
        read(frame)


@pytest.mark.parametrize(
    ("name", "write"),
    [("road-anomaly", write_road_anomaly), ("cityscapes", write_cityscapes), ("road-anomaly-21", write_anomaly_track)],
)
def test_labels_as_jpeg_are_refused(tmp_path: Path, name: str, write: Callable[[Path], None]) -> None:
    write(tmp_path)
    label = open_frames(name, tmp_path)[0].label_file
    assert label is not None
    with Image.open(label) as image:
        image.save(label.with_suffix(".jpg"))
    label.unlink()
    with pytest.raises(DataError, match=r"\.jpg: a label file in JPEG"):
        read(open_frames(name, tmp_path)[0])


def test_two_files_of_one_frame_are_an_error(tmp_path: Path) -> None:
    write_cityscapes(tmp_path)
    image = open_frames("cityscapes", tmp_path)[0].image_file
    assert image is not None
    shutil.copy(image, image.with_suffix(".jpg"))
    with pytest.raises(DataError, match=r"have the same name"):
        open_frames("cityscapes", tmp_path)
    image.with_suffix(".jpg").unlink()
    image.with_suffix(".jpg").symlink_to(image)  # the same file
    assert open_frames("cityscapes", tmp_path)


def test_a_town_that_is_linked_twice_is_one_town(tmp_path: Path) -> None:
    write_cityscapes(tmp_path)
    before = list_ids("cityscapes", tmp_path)
    for tree in ("leftImg8bit", "gtFine"):
        town = next((tmp_path / tree / "train").iterdir())
        town.with_name("again").symlink_to(town)
    assert list_ids("cityscapes", tmp_path) == before


def test_linked_parts_and_linked_frames_are_found(tmp_path: Path) -> None:
    write_street_hazards_test(tmp_path / "store")
    before = list_ids("street-hazards@caos", tmp_path / "store")
    folder = next(path.parent for path in (tmp_path / "store").rglob("images"))
    for name in ("parts", "also"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for part in ("images", "annotations"):
            (tmp_path / "data" / name / part).symlink_to(folder / part)
    assert list_ids("street-hazards@caos", tmp_path / "data") == before
    frames = tmp_path / "frames"
    for path in folder.rglob("*.png"):
        (frames / path.relative_to(folder)).parent.mkdir(parents=True, exist_ok=True)
        (frames / path.relative_to(folder)).symlink_to(path)
    assert list_ids("street-hazards@caos", frames) == before


def test_photographs_of_every_format_are_taken_and_others_are_counted(tmp_path: Path) -> None:
    for index, ending in enumerate(ENDINGS):
        save_as(save(tmp_path / f"{index}.png", photograph(index)), ending)
    for name in ("a.txt", "b.heic", "c", "d.csv"):
        (tmp_path / name).write_bytes(b"not an image")
    (tmp_path / "folder").mkdir()
    frames = open_photographs(tmp_path).frames
    assert [frame.id for frame in frames] == [str(index) for index in range(len(ENDINGS))]
    assert all(frame.read_image().shape == (48, 96, 3) for frame in frames)
    expected = f"{tmp_path}: 4 files are not images and not used: a.txt, b.heic, c, ..."
    assert describe_other_files(tmp_path) == expected


def test_a_number_after_a_dot_is_part_of_the_name(tmp_path: Path) -> None:
    for name in ("frame.0001", "frame.0002", "snow_00_16_02.578.webp"):
        Image.fromarray(photograph(0)).save(tmp_path / name, format="PNG")
    assert list(index_images(tmp_path)) == ["frame.0001", "frame.0002", "snow_00_16_02.578"]


@pytest.mark.parametrize("name", ["-dash first", "two  spaces", "née Straße", "x" * 240, "a=b,c+d", "#1 100%"])
def test_frames_with_odd_names_are_paired(tmp_path: Path, name: str) -> None:
    """Also if the image has composed characters and the label and the score map have those of a Mac, or vice versa."""
    for first, second in (("NFC", "NFD"), ("NFD", "NFC")):
        root = tmp_path / first / "RoadAnomaly"
        image, other = (unicodedata.normalize(form, name) for form in (first, second))  # type: ignore[arg-type]
        save(root / "images" / f"{image}.png", photograph(0))
        save(root / "labels_masks" / f"{other}.png", anomaly_label(0, anomaly=2, void=None))
        (frame,) = open_benchmark("road-anomaly", root).frames
        assert frame.id == unicodedata.normalize("NFC", name)
        (root / "maps").mkdir()
        np.save(root / "maps" / f"{other}.npy", np.zeros((48, 96)))
        assert find_scores(root / "maps", [frame.id]).files[frame.id].is_file()


def test_names_that_differ_in_composition_only_are_one_frame(tmp_path: Path) -> None:
    for form in ("NFC", "NFD"):
        save(tmp_path / f"{unicodedata.normalize(form, 'é')}.png", photograph(0))
    if len(list(tmp_path.iterdir())) == 1:
        pytest.skip("this file system composes characters itself")
    with pytest.raises(DataError, match="have the same name"):
        index_images(tmp_path)


def test_score_folders_are_read_through_links_and_without_clutter(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    np.save(tmp_path / "store" / "0.npy", np.zeros((2, 2)))
    maps = tmp_path / "maps"
    (maps / "__MACOSX" / "town").mkdir(parents=True)
    (maps / "town").symlink_to(tmp_path / "store")
    np.save(maps / "__MACOSX" / "town" / "0.npy", np.zeros((2, 2)))
    np.save(maps / "town" / "._0.npy", np.zeros((2, 2)))
    found = find_scores(maps, ["town/0"])
    assert found.files["town/0"] == maps / "town" / "0.npy"
    assert not found.others


@pytest.fixture
def deny(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Return a function that makes a folder unreadable, also for root."""
    denied: set[str] = set()
    listdir, access, scandir = os.listdir, os.access, os.scandir

    def check(path: object) -> None:
        if os.fspath(path) in denied:  # type: ignore[call-overload]
            raise PermissionError(13, "Permission denied", os.fspath(path))  # type: ignore[call-overload]

    def deny_listdir(path: object = ".") -> object:
        check(path)
        return listdir(path)  # type: ignore[call-overload]

    def deny_scandir(path: object = ".") -> object:
        check(path)
        return scandir(path)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "listdir", deny_listdir)
    monkeypatch.setattr(os, "scandir", deny_scandir)
    monkeypatch.setattr(os, "access", lambda path, mode: os.fspath(path) not in denied and access(path, mode))
    return lambda path: denied.add(str(path))


def test_an_unreadable_part_is_an_error_that_names_it(tmp_path: Path, deny: Callable[[Path], None]) -> None:
    write_cityscapes(tmp_path)
    town = next((tmp_path / "gtFine" / "train").iterdir())
    deny(town)
    with pytest.raises(DataError) as caught:
        open_frames("cityscapes", tmp_path)
    assert caught.value.problem == f"{town}: can't be read (Permission denied)"
    write_cityscapes(tmp_path / "other")  # found elsewhere
    assert REGISTRY.dataset("cityscapes").open(Roots((tmp_path / "other",)))


def test_an_unreadable_folder_is_named_if_nothing_is_found(tmp_path: Path, deny: Callable[[Path], None]) -> None:
    (tmp_path / "locked").mkdir()
    deny(tmp_path / "locked")
    with pytest.raises(DataNotFoundError, match=f"{tmp_path / 'locked'} can't be read"):
        open_frames("cityscapes", tmp_path)


def test_unreadable_photographs_and_scores_are_errors(tmp_path: Path, deny: Callable[[Path], None]) -> None:
    deny(tmp_path)
    with pytest.raises(DataError, match=r"can't be read \(Permission denied\)"):
        open_photographs(tmp_path)
    with pytest.raises(ScoreError, match=r"can't be read \(Permission denied\)"):
        find_scores(tmp_path, ["0"])


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
def test_a_run_on_a_path_that_is_not_utf_8_can_be_loaded(tmp_path: Path) -> None:
    root = tmp_path / os.fsdecode(b"data \xff")
    write_road_anomaly(root)
    write_network(tmp_path / "net.onnx")
    (tmp_path / "net.toml").write_text(CARD)
    oodbench.run(
        models=tmp_path / "net.onnx",
        methods="msp",
        benchmarks="road-anomaly",
        data=root,
        out=root / "r",
        stop_after="plan",
    )
    assert oodbench.load(root / "r").record.benchmarks[0].frames


def test_doctor_names_unreadable_folders_and_other_files(tmp_path: Path, deny: Callable[[Path], None]) -> None:
    write_cityscapes(tmp_path)
    town = next((tmp_path / "leftImg8bit" / "val").iterdir())
    for name in ("notes.txt", "x.heic", ".hidden"):
        (town / name).touch()
    (tmp_path / "locked").mkdir()
    deny(tmp_path / "locked")
    done = CliRunner().invoke(app, ["doctor", f"--id-data={tmp_path}", f"--data={tmp_path / 'locked'}"])
    assert done.exit_code == 2
    assert f"{tmp_path / 'locked'}: WRONG: this folder can't be read. Make it readable.\n" in done.output
    assert f"{town}: 2 files are not images and not used: notes.txt, x.heic\n" in done.output
    assert "cityscapes val " in done.output


def test_predict_counts_the_files_that_are_not_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_network(tmp_path / "net.onnx")
    (tmp_path / "net.toml").write_text(CARD)
    photos = tmp_path / "photos"
    save_as(save(photos / "a.png", photograph(0, (32, 64))), "")
    (photos / "b.heic").touch()
    words = ["predict", str(photos), f"--model={tmp_path / 'net.onnx'}", "--method=msp", f"--out={tmp_path / 'p'}"]
    assert CliRunner().invoke(app, words).exit_code == 0
    assert (tmp_path / "p" / "maps" / "a.npy").is_file()


def test_a_name_that_is_too_long_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="Shorten the name of the frame or of the folder"):
        write_atomically(tmp_path / ("x" * 300), lambda file: file.write(b""))
