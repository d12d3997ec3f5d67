"""Building of Fishyscapes Static: exact pixels, and each kind of invalid input."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oodbench.data import overlays as overlays_module
from oodbench.data.overlays import MANIFEST, apply_overlay, read_built_version, read_overlays, write_frames
from oodbench.errors import DataError, UsageError
from tests.helpers.files import photograph, save, write_cityscapes

IDS = ["frankfurt_000000_000576", "lindau_000000_000019"]


def write_overlays(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for index, name in enumerate(IDS):
        overlay = np.zeros((48, 96, 3), np.int16)
        overlay[10:20, 10:20] = np.random.default_rng(index).integers(-255, 256, (10, 10, 3))
        np.savez_compressed(root / f"{index:04d}_{name}_rgb.npz", rgb=overlay)
        save(root / f"{index:04d}_{name}_labels.png", np.full((48, 96), index, np.uint8))


@pytest.fixture
def parts(tmp_path: Path) -> tuple[Path, Path]:
    write_overlays(tmp_path / "fs_val_v3")
    write_cityscapes(tmp_path / "cityscapes")
    return tmp_path / "fs_val_v3", tmp_path / "cityscapes"


def zip_folder(folder: Path, prefix: str = "") -> Path:
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, prefix + file.name)
    return path


def test_an_overlay_equals_a_case_computed_by_hand() -> None:
    frame = np.array([[[0, 100, 250]]], np.uint8)
    overlay = np.array([[[-5, 20, 10]]], np.int16)
    assert apply_overlay(frame, overlay, "x").tolist() == [[[0, 120, 255]]]


def test_every_pixel_is_the_clipped_sum(parts: tuple[Path, Path], tmp_path: Path) -> None:
    assert write_frames(read_overlays(parts[0], "v3"), parts[1], tmp_path / "out") == 2
    for index, name in enumerate(IDS):
        frame = np.asarray(Image.open(next(parts[1].rglob(f"{name}_leftImg8bit.png")))).astype(int)
        overlay = np.load(parts[0] / f"{index:04d}_{name}_rgb.npz")["rgb"].astype(int)
        built = np.asarray(Image.open(tmp_path / "out" / f"{index:04d}_{name}_rgb.png"))
        expected = frame + overlay
        expected[expected < 0], expected[expected > 255] = 0, 255
        assert np.array_equal(built, expected)
        label = f"{index:04d}_{name}_labels.png"
        assert (tmp_path / "out" / label).read_bytes() == (parts[0] / label).read_bytes()
    assert read_built_version(tmp_path / "out") == "v3"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "0000_frankfurt_000000_000576_labels.png",
        "0000_frankfurt_000000_000576_rgb.png",
        "0001_lindau_000000_000019_labels.png",
        "0001_lindau_000000_000019_rgb.png",
        MANIFEST,
    ]


def test_the_checksum_of_the_archive_identifies_the_version(
    parts: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = zip_folder(parts[0], "some/folder/")
    with pytest.raises(UsageError, match="the version of these overlays is unknown"):
        read_overlays(path, None)
    md5 = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    monkeypatch.setattr(overlays_module, "ARCHIVES", {"v1": ("a", 1, "0"), "v2": ("b", 1, md5)})
    found = read_overlays(path, None)
    assert (found.version, found.version_source) == ("v2", "checksum")
    assert write_frames(found, parts[1], tmp_path / "out") == 2
    assert json.loads((tmp_path / "out" / MANIFEST).read_text())["told_by"] == "checksum"
    with pytest.raises(UsageError, match="is v2 by its checksum, but --version is v1"):
        read_overlays(path, "v1")


def test_names_that_lead_out_of_the_archive_are_refused(parts: tuple[Path, Path]) -> None:
    with pytest.raises(DataError, match="is a name that leads out of the archive's folder"):
        read_overlays(zip_folder(parts[0], "../../../"), "v3")


def test_an_unknown_version_is_an_error(parts: tuple[Path, Path]) -> None:
    with pytest.raises(UsageError, match=r"--version 3\.0: no such version"):
        read_overlays(parts[0], "3.0")


def test_a_missing_frame_of_cityscapes_is_an_error(parts: tuple[Path, Path], tmp_path: Path) -> None:
    next(parts[1].rglob("lindau_000000_000019_leftImg8bit.png")).unlink()
    with pytest.raises(DataError, match="1 of 2 frames of Cityscapes are missing, the first is lindau") as error:
        write_frames(read_overlays(parts[0], "v3"), parts[1], tmp_path / "out")
    assert error.value.each == ("lindau_000000_000019_leftImg8bit.png: is not in leftImg8bit/val",)
    assert not (tmp_path / "out").exists()


def test_a_missing_label_is_an_error(parts: tuple[Path, Path], tmp_path: Path) -> None:
    (parts[0] / f"0001_{IDS[1]}_labels.png").unlink()
    with pytest.raises(DataError, match=r"0001_lindau_000000_000019_labels\.png is missing"):
        write_frames(read_overlays(parts[0], "v3"), parts[1], tmp_path / "out")


def _npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an intact overlay"),
        (b"PK\x03\x04 torn", "not an intact overlay"),
        (_npz(other=np.zeros((48, 96, 3), np.int16)), "not an intact overlay"),
        (_npz(rgb=np.array([{}], object)), "not an intact overlay"),
        (_npz(rgb=np.zeros((48, 96, 3), np.int16))[:-200], "not an intact overlay"),
        (_npz(rgb=np.zeros((24, 48, 3), np.int16)), r"'rgb' is int16 \(24, 48, 3\); expected signed .*\(48, 96, 3\)"),
        (_npz(rgb=np.zeros((48, 96, 3), np.uint8)), "'rgb' is uint8"),
        (_npz(rgb=np.zeros((48, 96, 3), np.float32)), "'rgb' is float32"),
    ],
)
def test_a_damaged_overlay_is_an_error(parts: tuple[Path, Path], tmp_path: Path, content: bytes, message: str) -> None:
    (parts[0] / f"0000_{IDS[0]}_rgb.npz").write_bytes(content)
    with pytest.raises(DataError, match=message):
        write_frames(read_overlays(parts[0], "v3"), parts[1], tmp_path / "out")
    assert not (tmp_path / "out" / MANIFEST).exists()


def test_an_archive_without_overlays_is_an_error(tmp_path: Path) -> None:
    save(tmp_path / "folder" / "a.png", photograph(0))
    (tmp_path / "torn.zip").write_bytes(b"PK\x03\x04")
    for name, message in {"folder": "no overlays", "absent": "does not exist", "torn.zip": "not an archive"}.items():
        with pytest.raises(DataError, match=message):
            read_overlays(tmp_path / name, "v1")


@pytest.mark.parametrize("text", ["", "[", "[1]", '{"version": 3}', '{"version": "v9"}', "[" * 100000])
def test_a_damaged_manifest_has_no_version(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    assert read_built_version(tmp_path) is None
