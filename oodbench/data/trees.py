"""Files in a folder or an archive, read one by one without unpacking."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from oodbench.errors import DataError, DataNotFoundError
from oodbench.text import find_fault, shorten

LARGEST_MEMBER = 1 << 29
"""Largest file in bytes that is read from an archive: a map of 8192 x 8192 pixels in double precision has this size."""


@dataclass(frozen=True)
class Tree:
    """The files in an open folder or archive, as `open_tree` yields them.

    Attributes:
        path: Path of the folder or archive.
        names: Sorted names of the files, with slashes between folders; an archive can contain a name twice.
        read: Function that takes the name of a file and returns its content.

    Examples:
        >>> from pathlib import Path
        >>> from oodbench.data import open_tree
        >>> _ = Path("notes.txt").write_text("hello")
        >>> with open_tree(Path()) as tree:
        ...     tree.names, tree.read("notes.txt")
        (('notes.txt',), b'hello')
    """

    path: Path
    names: tuple[str, ...]
    read: Callable[[str], bytes]


@contextmanager
def open_tree(path: Path) -> Iterator[Tree]:
    """Open a folder, or a .zip or .tar archive (compressed or not), to read its files without unpacking.

    The kind of an archive is recognised by its content.

    Args:
        path: The folder or the archive.

    Yields:
        The files, which can be read inside the `with` block.

    Raises:
        DataNotFoundError: The path does not exist.
        DataError: The path is not a folder or an archive, the archive is damaged, or the name of a file has control
            characters. Reading a file inside the `with` block can raise this error, too.

    Examples:
        >>> import zipfile
        >>> from pathlib import Path
        >>> from oodbench.data import open_tree
        >>> with zipfile.ZipFile("maps.zip", "w") as archive:
        ...     archive.writestr("maps/0.npy", b"numbers")
        >>> with open_tree(Path("maps.zip")) as tree:
        ...     tree.names, tree.read("maps/0.npy")
        (('maps/0.npy',), b'numbers')
    """
    try:
        if path.is_dir():
            names = [file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()]
            yield Tree(path, _check_names(path, names), lambda name: (path / name).read_bytes())
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                sizes = {info.filename: info.file_size for info in archive.infolist() if not info.is_dir()}
                files = [info.filename for info in archive.infolist() if not info.is_dir()]
                yield Tree(path, _check_names(path, files), _limited(path, sizes, archive.read))
        elif path.is_file() and tarfile.is_tarfile(path):
            with tarfile.open(path) as packed:
                members = {info.name: info for info in packed.getmembers() if info.isfile()}
                listed = [info.name for info in packed.getmembers() if info.isfile()]
                sizes = {name: info.size for name, info in members.items()}
                read = _limited(path, sizes, lambda name: _read_member(packed, members[name]))
                yield Tree(path, _check_names(path, listed), read)
        elif path.exists():
            raise DataError(f"{path}: not an archive; expected a folder, a .zip or a .tar file", "Correct the path.")
        else:
            raise DataNotFoundError(f"{path} does not exist; expected a folder or an archive", "Correct the path.")
    except (OSError, zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
        raise DataError(f"{path}: damaged ({error})", "Make the archive again.") from None


def _check_names(path: Path, names: Collection[str]) -> tuple[str, ...]:
    """Return the names sorted; raise DataError if one is not printable text."""
    for name in names:
        if fault := find_fault(name, len(name)):
            raise DataError(f"{path}: the file name {shorten(name)}: {fault}", "Rename the file, and pack it again.")
    return tuple(sorted(names))


def _limited(path: Path, sizes: Mapping[str, int], read: Callable[[str], bytes]) -> Callable[[str], bytes]:
    """Return `read`, but refuse a file of an archive that would not fit any frame, before it is unpacked."""

    def read_small(name: str) -> bytes:
        if sizes[name] > LARGEST_MEMBER:
            raise DataError(
                f"{path}: {name!r} has {sizes[name]:,} bytes; expected at most {LARGEST_MEMBER:,}",
                "Write one map per file, in the resolution of the frame.",
            )
        return read(name)

    return read_small


def _read_member(archive: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(info)
    assert file is not None, "only files are listed"
    with file:
        return file.read()
