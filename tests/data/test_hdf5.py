"""HDF5 files: open elsewhere, incomplete, with other types, and made to do harm."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from oodbench.data import read_hdf5, read_scores, write_hdf5
from oodbench.data.trees import archives
from oodbench.errors import DataError, ScoreError
from tests.data.test_trees import limited_memory

SCORES = np.arange(24, dtype=np.float32).reshape(4, 6)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.hdf5"


def write(path: Path, values: Any = SCORES, **options: Any) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("value", data=values, **options)


def test_a_file_that_another_program_has_open_is_read(path: Path) -> None:
    write(path)
    with h5py.File(path, "a"):
        assert np.array_equal(read_hdf5(path), SCORES)


@pytest.mark.parametrize("version", ["earliest", "latest"])
def test_a_file_that_is_still_written_is_an_error(path: Path, version: str) -> None:
    with h5py.File(path, "w", libver=version) as file:
        file["value"] = SCORES
        with pytest.raises(ScoreError, match="not an intact HDF5 file") as error:
            read_hdf5(path)
        assert "If a program still writes it, wait until the file is closed." in str(error.value)
    assert np.array_equal(read_hdf5(path), SCORES)


def test_a_file_that_changes_while_it_is_read_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(path)
    original = Path.read_bytes

    def read_and_append(self: Path) -> bytes:
        content = original(self)
        self.write_bytes(content + b"more")
        return content

    monkeypatch.setattr(Path, "read_bytes", read_and_append)
    with pytest.raises(ScoreError, match="changed while it was read"):
        read_hdf5(path)


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n", b"no HDF5"])
def test_a_torn_file_is_an_error(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(ScoreError, match="not an intact HDF5 file"):
        read_hdf5(path)


def test_every_torn_or_flipped_file_is_an_error_or_harmless(path: Path) -> None:
    write_hdf5(path, SCORES)
    content = path.read_bytes()
    for position in range(0, len(content), 37):
        flipped = bytearray(content)
        flipped[position] ^= 0x41
        for damaged in (content[:position], bytes(flipped)):
            try:
                read_hdf5(Path("a.hdf5"), damaged)
            except (ScoreError, DataError):
                continue


def test_what_is_not_a_file_is_an_error(path: Path) -> None:
    for wrong in (path.parent, path):
        with pytest.raises(ScoreError, match="not a file; expected an HDF5 file"):
            read_hdf5(wrong)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_read(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(ScoreError, match="not a file; expected an HDF5 file"):
        read_hdf5(path)


def external_link(file: h5py.File) -> None:
    file["value"] = h5py.ExternalLink("other.hdf5", "value")


def soft_link(file: h5py.File) -> None:
    file["scores"] = SCORES
    file["value"] = h5py.SoftLink("/scores")


def external_values(file: h5py.File) -> None:
    file.create_dataset("value", (4, 6), "f4", external=[("/etc/passwd", 0, 96)])


def virtual_values(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4, 6), "f4")
    layout[:] = h5py.VirtualSource("other.hdf5", "value", (4, 6))
    file.create_virtual_dataset("value", layout)


@pytest.mark.parametrize(
    ("fill", "problem"),
    [
        (external_link, "'value' is a link"),
        (soft_link, "'value' is a link"),
        (external_values, "'value' is stored in other files"),
        (virtual_values, "'value' is stored in other files"),
    ],
)
def test_values_outside_the_file_are_refused(path: Path, fill: Callable[[h5py.File], None], problem: str) -> None:
    write(path.with_name("other.hdf5"))
    with h5py.File(path, "w") as file:
        fill(file)
    with pytest.raises(ScoreError, match=f"{problem}.*expected an array in this file"):
        read_hdf5(path)


@pytest.mark.parametrize("stored", [">f2", ">f4", ">f8", "<f2"])
def test_floats_of_any_byte_order_are_converted(path: Path, stored: str) -> None:
    write(path, SCORES.astype(stored))
    assert read_hdf5(path).dtype.isnative
    assert np.array_equal(read_scores(path), SCORES)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (SCORES.astype(np.complex64), "values of the type complex64"),
        (np.zeros(3, [("score", "f4")]), "values of the type"),
        (np.zeros(3, "V4"), "values of the type"),
        (np.array([b"0.5"]), "values of the type"),
        ("0.5", "values of the type object"),
        (h5py.Empty("f4"), "no values"),
    ],
)
def test_other_types_are_errors(path: Path, values: Any, problem: str) -> None:
    write(path, values)
    with pytest.raises(ScoreError, match=f"'value' has {problem}.*; expected floats"):
        read_hdf5(path)


def test_values_of_other_lengths_are_errors(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("value", (2,), h5py.vlen_dtype(np.float32))
    with pytest.raises(ScoreError, match="values of the type object; expected floats"):
        read_hdf5(path)


def test_a_long_list_of_other_arrays_is_shortened(path: Path) -> None:
    with h5py.File(path, "w") as file:
        for index in range(20):
            file[f"array{index:02}"] = SCORES
    with pytest.raises(ScoreError, match="contains array00, array01, array02, array03, array04; expected an array"):
        read_hdf5(path)


@pytest.mark.parametrize(
    ("shape", "chunks", "what"),
    [
        ((1 << 20, 1 << 20), (1000, 1000), "the array 'value' has 4,398,046,511,104 bytes"),
        ((1 << 20, 1 << 20), None, "the array 'value' has 4,398,046,511,104 bytes"),
        ((4, 6), (1 << 15, 1 << 14), "a chunk of 'value' has 2,147,483,648 bytes"),
    ],
)
def test_sizes_are_checked_before_values_are_read(
    path: Path, shape: tuple[int, int], chunks: tuple[int, int] | None, what: str
) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("value", shape, "f4", chunks=chunks, maxshape=(None, None) if chunks else None)
    with limited_memory(8), pytest.raises(DataError, match=f"{what}; expected at most 536,870,912"):
        read_hdf5(path)


def test_a_large_file_is_not_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(path)
    monkeypatch.setattr(archives, "LARGEST_FILE", 100)
    with pytest.raises(DataError, match=r"the file has [\d,]+ bytes; expected at most 100"):
        read_hdf5(path)


def test_many_small_chunks_are_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oodbench.data.hdf5._MOST_CHUNKS", 1000)
    with h5py.File(path, "w") as file:
        file.create_dataset("value", (40, 40), "f2", chunks=(1, 1))[:] = 1
    with pytest.raises(ScoreError, match="1,600 chunks; expected at most 1,000"):
        read_hdf5(path)


def test_a_chunk_that_is_longer_than_stated_is_not_decompressed(path: Path) -> None:
    with h5py.File(path, "w") as file:
        array = file.create_dataset("value", (100, 100), "f4", chunks=(100, 100), compression="gzip")
        array.id.write_direct_chunk((0, 0), zlib.compress(bytes(50 << 20), 9))
    with limited_memory(8), pytest.raises(ScoreError, match="more than the 40,000 bytes that its shape states"):
        read_hdf5(path)


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "gzip"},
        {"compression": "gzip", "shuffle": True, "fletcher32": True},
        {"compression": "lzf"},
        {"chunks": (3, 3)},
        {"shuffle": True},
    ],
    ids=str,
)
def test_the_usual_filters_are_read(path: Path, options: dict[str, Any]) -> None:
    noise = np.random.default_rng(0).normal(size=(50, 60))
    write(path, noise, **options)
    assert np.array_equal(read_hdf5(path), noise)


def test_filters_from_plugins_are_not_loaded(path: Path) -> None:
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((4, 6))
    properties.set_filter(32001, h5py.h5z.FLAG_OPTIONAL, ())
    with h5py.File(path, "w") as file:
        space = h5py.h5s.create_simple((4, 6))
        h5py.h5d.create(file.id, b"value", h5py.h5t.NATIVE_FLOAT, space, properties)
    with pytest.raises(ScoreError, match=r"compressed with filter 32001 \(unknown\); expected gzip"):
        read_hdf5(path)
