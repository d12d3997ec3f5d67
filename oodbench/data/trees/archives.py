"""Zip and tar archives that were downloaded or sent: only plain files with distinct names and a limited size are read.

Nothing is unpacked. Headers can state wrong sizes, so every read is limited as well.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import posixpath
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import IO, Any, NoReturn

from typing_extensions import override

from oodbench.errors import DataError

LARGEST_FILE = 1 << 29
"""Largest file in bytes that is read: a map of 8192 x 8192 pixels in double precision has this size."""

_MOST_FILES = 20_000

# A list of 20,000 files has at most this size, and no header of a file is larger.
_LARGEST_READ = 1 << 23

# zipfile decompresses all compressed bytes that it reads at once; 4096 of them become at most about 80 MB (bzip2).
_PART = 1 << 12

_DECOMPRESSORS: Mapping[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
}
_ENCRYPTED = 1
_ZIP_HEADER = 30
_MAKE_AGAIN = "Make the archive again."


@dataclass(frozen=True)
class _Member:
    """A file in an archive: its name, its stated size in bytes, and a function that opens it."""

    name: str
    size: int
    open: Callable[[], IO[bytes]]


@contextmanager
def open_archive(path: Path) -> Iterator[Mapping[str, Callable[[], bytes]] | None]:
    """Open a .zip or .tar archive, compressed or not, which is recognised by its content.

    Args:
        path: The archive.

    Yields:
        The function that reads each file, by name; None if the file is not an archive.

    Raises:
        DataError: The archive is damaged or encrypted; or contains a link to a file outside, a device, a file that is
            too large, two files with one name, or a name that leads out of its folder.
    """
    with ExitStack() as stack:
        with _convert_errors(path):
            members = _open(path, stack)
            files = None if members is None else _check_members(path, members)
        if files is None:
            yield None
        else:
            yield {name: partial(_read, path, member) for name, member in files.items()}


def check_size(path: Path, what: str, size: int) -> None:
    """Raise if a file or an array is larger than a score map can be.

    Raises:
        DataError: The size exceeds `LARGEST_FILE`.
    """
    if size > LARGEST_FILE:
        raise DataError(
            f"{path}: {what} has {size:,} bytes; expected at most {LARGEST_FILE:,}",
            "Write one map per file, in the resolution of the frame.",
        )


class _LimitedFile(io.RawIOBase):
    """A file of which no large part is read at once. A forged header can state that it has several gigabytes."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self._path = path
        self._file = file

    @override
    def read(self, size: int | None = -1) -> bytes:
        wanted = _LARGEST_READ + 1 if size is None or size < 0 else size
        content = self._file.read(wanted) if wanted <= _LARGEST_READ + 1 else b""
        if wanted > _LARGEST_READ + 1 or len(content) > _LARGEST_READ:
            raise DataError(
                f"{self._path}: a list of files or a header has more than {_LARGEST_READ:,} bytes; expected an archive "
                f"of at most {_MOST_FILES:,} files",
                "Pack only the expected files.",
            )
        return content

    @override
    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    @override
    def tell(self) -> int:
        return self._file.tell()

    @override
    def readable(self) -> bool:
        return True

    @override
    def seekable(self) -> bool:
        return True

    @override
    def close(self) -> None:
        self._file.close()
        super().close()


def _open(path: Path, stack: ExitStack) -> Iterator[_Member] | None:
    """Open an archive until the stack is closed, and return its members; None if the file is not an archive."""
    content = stack.enter_context(_LimitedFile(path, path.open("rb")))
    start = content.read(6)
    if not start.startswith(b"PK"):  # the end of a tar file can look like the end of a zip file
        content.seek(0)
        opener = next((opener for magic, opener in _DECOMPRESSORS.items() if start.startswith(magic)), None)
        packed = stack.enter_context(_LimitedFile(path, opener(path))) if opener else content
        with suppress(tarfile.ReadError):
            return _list_tar(path, stack.enter_context(tarfile.open(fileobj=packed, mode="r:")))
    if zipfile.is_zipfile(content):
        return _list_zip(path, stack.enter_context(zipfile.ZipFile(content)))
    return None


def _list_zip(path: Path, archive: zipfile.ZipFile) -> Iterator[_Member]:
    end = 0
    for info in sorted(archive.infolist(), key=lambda info: info.header_offset):
        if info.header_offset < end:
            raise DataError(f"{path}: {info.filename!r} overlaps another file of the archive", _MAKE_AGAIN)
        end = info.header_offset + _ZIP_HEADER + info.compress_size
        if info.is_dir():
            continue
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            _refuse(path, info.filename, "a symbolic link" if kind == stat.S_IFLNK else "a special file")
        if info.flag_bits & _ENCRYPTED:
            raise DataError(f"{path}: {info.filename!r} is encrypted", "Make the archive again without a password.")
        yield _Member(info.filename, info.file_size, partial(archive.open, info))


def _list_tar(path: Path, archive: tarfile.TarFile) -> Iterator[_Member]:
    files: dict[str, _Member] = {}
    position = -1
    while (info := archive.next()) is not None:
        # A negative size would lead back to files that were listed before.
        if info.size < 0 or info.offset <= position:
            raise DataError(f"{path}: {info.name!r} has the size {info.size}", _MAKE_AGAIN)
        position = info.offset
        if info.isdir():
            continue
        target = files.get(_normalise(info.linkname)) if info.islnk() else None
        if target is not None:
            member = _Member(info.name, target.size, target.open)
        elif info.isfile():
            member = _Member(info.name, info.size, partial(_extract, archive, info))
        else:
            kinds = {info.issym(): "a symbolic link", info.islnk(): "a hard link to a file that is not in the archive"}
            _refuse(path, info.name, kinds.get(True, "a special file"))
        files[_normalise(info.name)] = member
        yield member


def _extract(archive: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    file = archive.extractfile(info)
    assert file is not None, "only files are listed"
    return file


def _check_members(path: Path, members: Iterable[_Member]) -> dict[str, _Member]:
    """Return the members by name, without `./`."""
    files: dict[str, _Member] = {}
    for member in members:
        name = _normalise(member.name)
        if len(files) == _MOST_FILES:
            raise DataError(f"{path}: more than {_MOST_FILES:,} files", "Pack only the expected files.")
        if name in files:
            raise DataError(f"{path}: contains two files {name!r}; expected each name once", _MAKE_AGAIN)
        if ".." in member.name.replace("\\", "/").split("/") or PureWindowsPath(member.name).anchor:
            _refuse(path, member.name, "a name that leads out of the archive's folder")
        check_size(path, repr(name), member.size)
        files[name] = member
    return files


def _normalise(name: str) -> str:
    return posixpath.normpath(name)


def _refuse(path: Path, name: str, what: str) -> NoReturn:
    raise DataError(f"{path}: {name!r} is {what}; expected files in folders", f"Remove it. {_MAKE_AGAIN}")


def _read(path: Path, member: _Member) -> bytes:
    content = io.BytesIO()
    with _convert_errors(path), member.open() as file:
        while content.tell() <= member.size and (part := file.read(_PART)):
            content.write(part)
    if content.tell() != member.size:
        raise DataError(
            f"{path}: damaged ({member.name!r} has another size than the {member.size} bytes that its header states)",
            _MAKE_AGAIN,
        )
    return content.getvalue()


@contextmanager
def _convert_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except NotImplementedError as error:
        raise DataError(
            f"{path}: uses a compression or an encryption that is not supported ({error})",
            "Make the archive again with the usual compression (deflate), without a password.",
        ) from None
    # Forged and damaged headers lead to all of these.
    except (
        OSError,
        EOFError,
        ValueError,
        LookupError,
        OverflowError,
        RuntimeError,
        struct.error,
        zlib.error,
        lzma.LZMAError,
        zipfile.BadZipFile,
        tarfile.TarError,
    ) as error:
        raise DataError(f"{path}: damaged ({error})", _MAKE_AGAIN) from None
