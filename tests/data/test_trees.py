"""Folders and archives, which are read alike, and archives that are made to do harm."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import tracemalloc
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from oodbench.data import find_files, open_tree
from oodbench.data.trees import archives
from oodbench.data.trees.walking import is_clutter, walk_files
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


def write_zip(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about names that occur twice
        for name, content in members:
            archive.writestr(name, content)
    return path


def write_tar(path: Path, *members: tarfile.TarInfo | tuple[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return path


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@contextmanager
def limited_memory(megabytes: int) -> Iterator[None]:
    """Check that the block allocates less than this."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < megabytes << 20
    finally:
        tracemalloc.stop()


def test_all_kinds_of_trees_are_read_alike(folder: Path, tmp_path: Path) -> None:
    packed = pack(folder, tmp_path / "files")  # recognised by its content, not by its name
    for mode, name in (("w", "a.tar"), ("w:gz", "b.tgz"), ("w:xz", "c"), ("w:bz2", "d")):
        with tarfile.open(tmp_path / name, mode) as archive:  # type: ignore[call-overload]
            archive.add(folder, ".")
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        write_zip(tmp_path / f"{compression}.zip", *CONTENT.items(), compression=compression)
        assert read(tmp_path / f"{compression}.zip") == CONTENT
    assert read(folder) == read(packed) == CONTENT
    assert all(read(tmp_path / name) == CONTENT for name in ("a.tar", "b.tgz", "c", "d"))


def test_a_tar_file_that_ends_with_a_zip_file_is_a_tar_file(tmp_path: Path) -> None:
    inner = write_zip(tmp_path / "inner.zip", ("evil.txt", b"other content")).read_bytes()
    outer = write_tar(tmp_path / "outer.tar", ("inner.zip", inner))
    assert list(read(outer)) == ["inner.zip"]


def test_hard_links_within_a_tar_file_are_read(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", ("./a", b"one"), special("b", tarfile.LNKTYPE, "a"))
    assert read(path) == {"a": b"one", "b": b"one"}


def test_a_sparse_file_is_read_with_its_holes(tmp_path: Path) -> None:
    sizes = {"GNU.sparse.size": "4096", "GNU.sparse.map": "4000,3"}
    info = tarfile.TarInfo("sparse")
    info.size, info.pax_headers = 3, {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.name": "s", **sizes}
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info, io.BytesIO(b"abc"))
    (content,) = read(tmp_path / "a.tar").values()
    assert content == b"\0" * 4000 + b"abc" + b"\0" * 93


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("../a", "a name that leads out"),
        ("a/../../b", "a name that leads out"),
        ("/etc/passwd", "a name that leads out"),
        ("C:\\a", "a name that leads out"),
        ("..\\a", "a name that leads out"),
        ("\\\\host\\a", "a name that leads out"),
    ],
)
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str, what: str) -> None:
    for path in (write_tar(tmp_path / "a.tar", (name, b"")), write_zip(tmp_path / "a.zip", (name, b""))):
        with pytest.raises(DataError, match=what):
            read(path)


@pytest.mark.parametrize(
    ("kind", "target", "what"),
    [
        (tarfile.SYMTYPE, "a", "a symbolic link"),
        (tarfile.LNKTYPE, "/etc/passwd", "a hard link to a file that is not in the archive"),
        (tarfile.LNKTYPE, "later", "a hard link to a file that is not in the archive"),
        (tarfile.LNKTYPE, "b", "a hard link to a file that is not in the archive"),
        (tarfile.CHRTYPE, "", "a special file"),
        (tarfile.BLKTYPE, "", "a special file"),
        (tarfile.FIFOTYPE, "", "a special file"),
        (b"Z", "", "a special file"),
    ],
)
def test_links_and_devices_in_tar_files_are_refused(tmp_path: Path, kind: bytes, target: str, what: str) -> None:
    path = write_tar(tmp_path / "a.tar", ("a", b"one"), special("b", kind, target), ("later", b"two"))
    with pytest.raises(DataError, match=rf"a\.tar: 'b' is {what}; expected files in folders"):
        read(path)


@pytest.mark.parametrize(("kind", "what"), [(stat.S_IFLNK, "a symbolic link"), (stat.S_IFIFO, "a special file")])
def test_links_and_devices_in_zip_files_are_refused(tmp_path: Path, kind: int, what: str) -> None:
    info = zipfile.ZipInfo("b")
    info.create_system, info.external_attr = 3, (kind | 0o777) << 16
    with pytest.raises(DataError, match=rf"a\.zip: 'b' is {what}; expected files in folders"):
        read(write_zip(tmp_path / "a.zip", (info, b"/etc/passwd")))


def test_two_files_with_one_name_are_refused(tmp_path: Path) -> None:
    twice = (("a.txt", b"1"), ("./a.txt", b"2"))
    for path in (write_tar(tmp_path / "a.tar", *twice), write_zip(tmp_path / "a.zip", *twice)):
        with pytest.raises(DataError, match=r"contains two files 'a\.txt'; expected each name once"):
            read(path)


def test_an_encrypted_file_is_refused(tmp_path: Path) -> None:
    content = bytearray(write_zip(tmp_path / "a.zip", ("a", b"one")).read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(DataError, match="'a' is encrypted") as error:
        read(tmp_path / "a.zip")
    assert error.value.remedy == "Make the archive again without a password."


def test_an_unknown_compression_is_refused(tmp_path: Path) -> None:
    content = bytearray(write_zip(tmp_path / "a.zip", ("a", b"one")).read_bytes())
    content[content.index(b"PK\1\2") + 10] = 97  # WavPack
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(DataError, match="a compression or an encryption that is not supported"):
        read(tmp_path / "a.zip")


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


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataNotFoundError, match="is not a file or a folder"):
        read(tmp_path / "pipe")


@pytest.mark.parametrize(
    "packed", [b"", b"PK\3\4", b"BZh91AY", gzip.compress(b"text", mtime=0), gzip.compress(b"x" * 9999, mtime=0)[:20]]
)
def test_other_files_are_errors(tmp_path: Path, packed: bytes) -> None:
    (tmp_path / "a").write_bytes(packed)
    with pytest.raises(DataError, match=r"not an archive|damaged"):
        read(tmp_path / "a")


@pytest.mark.parametrize("cut", range(0, 11_000, 499))
def test_a_torn_archive_is_an_error_or_complete(tmp_path: Path, cut: int) -> None:
    for path in (write_tar(tmp_path / "a.tar", *CONTENT.items()), write_zip(tmp_path / "a.zip", *CONTENT.items())):
        path.write_bytes(path.read_bytes()[:cut])
        try:
            found = read(path)
        except DataError:
            continue
        assert found.items() <= CONTENT.items()


def test_a_file_that_fits_no_frame_is_refused_before_it_is_unpacked(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "LARGEST_FILE", 100)
    for path in (pack(folder, tmp_path / "a.zip"), write_tar(tmp_path / "a.tar", *CONTENT.items()), folder):
        with pytest.raises(DataError, match=r"has 396 bytes; expected at most 100"):
            read(path)


def test_a_sparse_file_counts_with_its_holes(tmp_path: Path) -> None:
    info = tarfile.TarInfo("sparse")
    info.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.size": str(1 << 40)}
    info.pax_headers |= {"GNU.sparse.name": "s", "GNU.sparse.map": f"{1 << 40},0"}
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info)
    with pytest.raises(DataError, match=r"has 1,099,511,627,776 bytes; expected at most"):
        read(tmp_path / "a.tar")


def test_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_MOST_FILES", 3)
    members = [(f"{index}", b"") for index in range(4)]
    for path in (write_tar(tmp_path / "a.tar", *members), write_zip(tmp_path / "a.zip", *members)):
        with pytest.raises(DataError, match="more than 3 files"):
            read(path)


def test_a_list_of_a_million_files_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_LARGEST_READ", 1 << 16)
    path = write_zip(tmp_path / "a.zip", *((f"{index:0200}", b"") for index in range(400)))
    with limited_memory(1), pytest.raises(DataError, match=r"a list of files or a header has more than 65,536 bytes"):
        read(path)


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
def test_a_header_of_gigabytes_is_not_read(tmp_path: Path, kind: bytes) -> None:
    header = special("a", kind)
    header.size = 3 << 30
    with gzip.open(tmp_path / "a.tgz", "wb") as file:
        file.write(header.tobuf(tarfile.GNU_FORMAT))
        file.write(bytes(1 << 20))
    with limited_memory(32), pytest.raises(DataError, match="a list of files or a header has more than"):
        read(tmp_path / "a.tgz")


def test_a_negative_size_is_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("a")
    info.pax_headers = {"size": "-1024"}
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info)
    with pytest.raises(DataError, match=r"'a' has the size -1024|damaged"):
        read(tmp_path / "a.tar")


def test_overlapping_files_are_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", ("a", b"x" * 99), ("b", b"y"))
    content = bytearray(path.read_bytes())
    second = content.rindex(b"PK\1\2")
    content[second + 42 : second + 46] = struct.pack("<I", 40)
    path.write_bytes(content)
    with pytest.raises(DataError, match="'b' overlaps another file"):
        read(path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_file_that_is_longer_than_stated_is_not_unpacked(tmp_path: Path, compression: int) -> None:
    path = write_zip(tmp_path / "a.zip", ("a", bytes(50 << 20)), compression=compression)
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\1\2")
    content[entry + 24 : entry + 28] = struct.pack("<I", 100)
    path.write_bytes(content)
    with limited_memory(200), pytest.raises(DataError, match=r"a\.zip: damaged"):
        read(path)


def test_a_file_that_is_shorter_than_stated_is_an_error(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", ("a", b"one"), compression=zipfile.ZIP_DEFLATED)
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\1\2")
    content[entry + 24 : entry + 28] = struct.pack("<I", 100)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"another size than the 100 bytes that its header states|damaged"):
        read(path)


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_every_flipped_byte_is_an_error_or_harmless(tmp_path: Path, compress: object) -> None:
    assert callable(compress)
    originals = (
        write_zip(tmp_path / "a.zip", *CONTENT.items(), compression=zipfile.ZIP_DEFLATED).read_bytes(),
        compress(write_tar(tmp_path / "a.tar", *CONTENT.items()).read_bytes()),
    )
    for content in originals:
        for position in range(0, len(content), 3):
            damaged = bytearray(content)
            damaged[position] ^= 0x41
            (tmp_path / "damaged").write_bytes(damaged)
            try:
                read(tmp_path / "damaged")
            except DataError:
                continue
