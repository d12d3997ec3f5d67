"""Folders and archives, which are read alike."""

from __future__ import annotations

import tarfile
import warnings
import zipfile
from pathlib import Path

import pytest

from oodbench.data import find_files, open_tree
from oodbench.data.trees import is_clutter, walk_files
from oodbench.errors import DataError, DataNotFoundError

CONTENT = {"a.txt": b"one", "inside/b.txt": b"two " * 99}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in CONTENT.items():
        path = tmp_path / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "folder"


def read(path: Path) -> dict[str, bytes]:
    with open_tree(path) as tree:
        return {name: tree.read(name) for name in tree.names}


def pack(folder: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in CONTENT:
            archive.write(folder / name, name)
    return path


def test_both_trees_are_read_alike(folder: Path, tmp_path: Path) -> None:
    packed = pack(folder, tmp_path / "files")  # recognised by its content, not by its name
    for mode, name in (("w", "a.tar"), ("w:gz", "b.tgz"), ("w:xz", "c")):
        with tarfile.open(tmp_path / name, mode) as archive:
            for member in CONTENT:
                archive.add(folder / member, member)
    assert read(folder) == read(packed) == CONTENT
    assert all(read(tmp_path / name) == CONTENT for name in ("a.tar", "b.tgz", "c"))


def test_clutter_is_in_no_tree(folder: Path, tmp_path: Path) -> None:
    packed = tmp_path / "mac.zip"
    clutter = ("__MACOSX/inside/._b.txt", "inside/.DS_Store", "Thumbs.db", "@eaDir/a.txt/x", ".git/config")
    for name in clutter:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    with zipfile.ZipFile(packed, "w") as archive, tarfile.open(tmp_path / "mac.tar", "w") as tar:
        for name in (*CONTENT, *clutter):
            archive.write(folder / name, f"./{name}")
            tar.add(folder / name, f"./{name}")
    assert read(folder) == CONTENT
    assert {name.removeprefix("./") for path in (packed, tmp_path / "mac.tar") for name in read(path)} == set(CONTENT)
    assert [path.name for path in find_files(folder, "*")] == ["a.txt", "inside"]
    assert not any(map(is_clutter, ("macosx", "Thumbs.png", "0.png")))


def test_links_are_followed_and_each_folder_is_entered_once(folder: Path, tmp_path: Path) -> None:
    (folder / "inside" / "up").symlink_to(folder)
    (folder / "self").symlink_to("self")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "x").symlink_to(folder)
    assert [path.name for path in walk_files(folder) if path.is_file()] == ["a.txt", "b.txt"]
    assert [path.name for path in walk_files(tmp_path / "linked") if path.is_file()] == ["a.txt", "b.txt"]
    assert walk_files(tmp_path / "absent") == list(find_files(tmp_path / "absent", "*/*")) == []


def test_duplicate_names_are_listed_with_both_paths(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "twice.zip", "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for content in ("1", "2"):
            archive.writestr("a.txt", content)
    with open_tree(tmp_path / "twice.zip") as tree:
        assert tree.names == ("a.txt", "a.txt")


def test_an_unreadable_folder_is_an_error(folder: Path, tmp_path: Path) -> None:
    packed = pack(folder, tmp_path / "files.zip")
    content = bytearray(packed.read_bytes())
    content[content.index(b"inside/b.txt") + 15] ^= 255
    packed.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"files\.zip: damaged"):
        read(packed)
    with pytest.raises(DataError, match=r"a\.txt: not an archive"):
        read(folder / "a.txt")
    with pytest.raises(DataNotFoundError, match="does not exist"):
        read(tmp_path / "nowhere")


def test_a_file_that_fits_no_frame_is_refused_before_it_is_unpacked(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oodbench.data.trees.LARGEST_MEMBER", 100)
    with tarfile.open(tmp_path / "files.tar", "w") as archive:
        for name in CONTENT:
            archive.add(folder / name, name)
    for path in (pack(folder, tmp_path / "files.zip"), tmp_path / "files.tar"):
        with open_tree(path) as tree:
            assert tree.read("a.txt") == b"one"
            with pytest.raises(DataError, match=r"'inside/b.txt' has 396 bytes; expected at most 100"):
                tree.read("inside/b.txt")
