"""Score maps in files: found by the id of the frame, and errors for invalid files."""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from oodbench.data import find_scores, read_array, read_hdf5, read_scores, write_hdf5
from oodbench.errors import DataError, MissingExtraError, OodbenchError, ScoreError
from tests.helpers.files import save

EXACT = np.array([[0.5, -3.0, 0.0], [1024.0, -0.25, 7.0]], np.float16)
"""Scores that every floating-point type represents exactly."""


def write(path: Path, values: Any) -> Path:
    """Write scores in the format of the file name's ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, values, allow_pickle=True)
    elif path.suffix == ".npz":
        np.savez_compressed(path, anything=values)
    else:
        with h5py.File(path, "w") as file:
            file["value"] = values
    return path


@pytest.mark.parametrize("ending", ["npy", "npz", "hdf5", "h5"])
@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4"])
def test_floats_of_any_width_and_byte_order_are_read(tmp_path: Path, ending: str, dtype: str) -> None:
    score = read_scores(write(tmp_path / f"a.{ending}", EXACT.astype(dtype)))
    assert score.dtype == np.float32
    assert score.tolist() == [[0.5, -3.0, 0.0], [1024.0, -0.25, 7.0]]


def test_fortran_order_is_read_as_rows_and_columns(tmp_path: Path) -> None:
    write(tmp_path / "a.npy", np.asfortranarray(EXACT))
    assert read_scores(tmp_path / "a.npy").tolist() == EXACT.tolist()


def test_a_16_bit_png_is_read(tmp_path: Path) -> None:
    save(tmp_path / "a.png", np.array([[0, 1, 65535]], np.uint16))
    assert read_scores(tmp_path / "a.png").tolist() == [[0.0, 1.0, 65535.0]]


@settings(max_examples=20)
@given(arrays(np.float32, (3, 4), elements=st.floats(-65000, 65000, width=32)))
def test_hdf5_stores_scores_in_half_precision(tmp_path_factory: pytest.TempPathFactory, score: np.ndarray) -> None:
    path = tmp_path_factory.mktemp("hdf5") / "inside" / "a.hdf5"
    write_hdf5(path, score)
    assert read_hdf5(path).tobytes() == score.astype(np.float16).tobytes()
    assert np.array_equal(read_scores(path), score.astype(np.float16).astype(np.float32))


def test_hdf5_files_of_the_toolkit_are_read(tmp_path: Path) -> None:
    write_hdf5(tmp_path / "a.hdf5", EXACT.astype(np.float32))
    with h5py.File(tmp_path / "a.hdf5") as file:
        stored = file["value"]
        assert (stored.dtype, stored.shape, stored.compression, stored.compression_opts) == ("<f2", (2, 3), "gzip", 9)


def test_scores_outside_the_range_of_half_precision_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ScoreError, match=r"scores from -1 to 70000; half precision ends"):
        write_hdf5(tmp_path / "a.hdf5", np.array([[-1.0, 7e4]], np.float32))
    assert list(tmp_path.iterdir()) == []


def test_without_h5py_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.hdf5", EXACT)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'oodbench\[hdf5\]'"):
        read_scores(tmp_path / "a.hdf5")


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("a.npy", np.zeros((2, 3), np.int64), "contains int64; expected float16, float32 or float64"),
        ("a.hdf5", np.zeros((2, 3), np.uint8), "contains uint8; expected float16, float32 or float64"),
        ("a.npz", np.zeros((2, 3), bool), "contains bool; expected float16"),
        ("a.npy", np.zeros((2, 3), np.complex64), "contains complex64"),
        ("a.npy", np.array([["a", None]], object), "not an intact array of numbers"),
        ("a.npz", np.array([[1.0, None]], object), "Object arrays cannot be loaded"),
        ("a.npy", np.zeros((1, 2, 3)), r"an array of shape \(1, 2, 3\); expected \[height, width\]"),
        ("a.h5", np.float32(3), r"an array of shape \(\)"),
        ("a.npz", np.zeros((0, 3)), r"an array of shape \(0, 3\)"),
        ("a.npy", np.array([[np.nan, 1.0, np.inf]]), "2 of 3 scores are NaN, infinite or beyond float32"),
        ("a.npy", np.array([[1e300, 1.0]]), "1 of 2 scores are NaN, infinite or beyond float32"),
    ],
)
def test_files_without_a_float_map_are_errors(tmp_path: Path, name: str, values: Any, message: str) -> None:
    path = write(tmp_path / name, values)
    with pytest.raises(ScoreError, match=message) as error:
        read_scores(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.hdf5", "a.png"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.95])
def test_a_truncated_file_is_an_error(tmp_path: Path, name: str, share: float) -> None:
    values = np.random.default_rng(0).random((40, 60)).astype(np.float32)
    path = (
        save(tmp_path / name, (values * 65535).astype(np.uint16)) if name == "a.png" else write(tmp_path / name, values)
    )
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(OodbenchError, match="not an intact") as error:
        read_scores(path)
    assert str(path) in str(error.value)


def _two_arrays(path: Path) -> None:
    np.savez(path, first=EXACT, second=EXACT)


def _other_key(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["scores"] = EXACT


def _group(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_group("value")


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("a.npz", _two_arrays, "arrays first, second; expected one"),
        ("a.hdf5", _other_key, "contains scores; expected an array 'value'"),
        ("a.hdf5", _group, "contains value; expected an array 'value'"),
        (
            "a.png",
            lambda path: save(path, np.zeros((2, 3), np.uint8)),
            "pixels of type L; expected one channel of sixteen",
        ),
    ],
)
def test_errors_state_the_expected_content(
    tmp_path: Path, name: str, make: Callable[[Path], None], message: str
) -> None:
    make(tmp_path / name)
    with pytest.raises(OodbenchError, match=message):
        read_scores(tmp_path / name)


# Files of frames


def test_a_frame_s_file_is_named_by_its_id(tmp_path: Path) -> None:
    names = ["b.1.npy", "town/c.npz", "a.hdf5", "d.PNG"]
    for name in [*names, "town/e.npy", ".b.1.npy", "notes.txt"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = find_scores(tmp_path, ["a", "b.1", "town/c", "d"])
    assert found.files == {
        "a": tmp_path / "a.hdf5",
        "b.1": tmp_path / "b.1.npy",
        "town/c": tmp_path / "town/c.npz",
        "d": tmp_path / "d.PNG",
    }
    assert found.others == {"town/e": tmp_path / "town/e.npy"}


@pytest.mark.parametrize(
    ("files", "messages"),
    [
        (["a.npy", "a.npz", "b.npy"], ["a has two files", "a.npz", "Keep one of the two"]),
        (["a.npy", "B.npy"], ["1 of 2 frames have no score map. The first is b;", "b.{npy,npz,hdf5,h5,png}"]),
        (["a_score.npy", "b_score.npy"], ["2 of 2 frames", "The first is a;", "There is, for example", "a_score.npy"]),
        (["all/a.npy", "all/b.npy"], ["2 of 2 frames", "Give the folder", "There is", "all/a.npy"]),
        (["a.txt"], ["2 of 2 frames", "This one contains no score maps"]),
    ],
)
def test_a_frame_without_a_file_or_with_two_is_an_error(tmp_path: Path, files: list[str], messages: list[str]) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(ScoreError) as error:
        find_scores(tmp_path, ["a", "b"])
    for message in messages:
        assert message in str(error.value)


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ScoreError, match="absent does not exist; expected a folder of score maps"):
        find_scores(tmp_path / "absent", ["a"])
    (tmp_path / "file").touch()
    with pytest.raises(ScoreError, match="file is a file; expected a folder of score maps"):
        find_scores(tmp_path / "file", ["a"])


def test_an_array_of_terabytes_is_an_error(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (1 << 20, 1 << 20)})
    (tmp_path / "a.npy").write_bytes(header.getvalue())
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.write(tmp_path / "a.npy", "a.npy")
    for name in ("a.npy", "a.npz"):
        with pytest.raises(ScoreError, match="not an intact array of numbers"):
            read_scores(tmp_path / name)
    with pytest.raises(ScoreError, match="not an intact array of numbers"):
        read_array(Path("a.npy"), header.getvalue())


def test_a_compressed_array_that_fits_no_frame_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oodbench.data.trees.archives.LARGEST_FILE", 1000)
    np.savez_compressed(tmp_path / "a.npz", np.zeros((50, 50)))
    np.save(tmp_path / "a.npy", np.zeros((50, 50)))
    for name in ("a.npz", "a.npy"):
        with pytest.raises(DataError, match=r"has 20,128 bytes; expected at most 1,000"):
            read_scores(tmp_path / name)


def test_several_arrays_are_not_taken_for_one(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", np.zeros((2, 3)))
    with pytest.raises(ScoreError, match="not an intact array of numbers"):
        read_array(Path("a.npy"), (tmp_path / "a.npz").read_bytes())
