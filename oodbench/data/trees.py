"""Files in a folder or an archive, without those that operating systems and editors leave there."""

from __future__ import annotations

import os
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from oodbench.errors import DataError, DataNotFoundError

LARGEST_MEMBER = 1 << 29
"""Largest file in bytes that is read from an archive: a map of 8192 x 8192 pixels in double precision has this size."""

# Folders and files that macOS, Windows, Synology's servers and file systems create; in lower case.
_CLUTTER = {
    "__macosx",
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "@eadir",
    "#recycle",
    "$recycle.bin",
    "system volume information",
    "lost+found",
}


def is_clutter(name: str) -> bool:
    """Return whether a file or folder is hidden or a by-product of a system, such as `._0.png` or `__MACOSX`.

    Args:
        name: Name of the file or folder, without its folder.
    """
    return name.startswith(".") or name.lower() in _CLUTTER


def normalize_name(name: str) -> str:
    """Return a file name with composed characters. macOS decomposes them: `é` is two characters in its file names."""
    return unicodedata.normalize("NFC", name)


def find_files(folder: Path, pattern: str) -> Iterator[Path]:
    """Find the files and folders that match a pattern.

    Hidden ones, and by-products of systems such as `__MACOSX`, are left out.

    Args:
        folder: The folder that contains them; it need not exist.
        pattern: One pattern per level, as in `*/*_labels*`. `*` stands for any characters. Upper and lower case differ.

    Yields:
        The files and folders, sorted in each folder.

    Raises:
        OSError: A folder can't be read. (`Path.glob` omits such a folder.)

    Examples:
        >>> from pathlib import Path
        >>> from oodbench.data import find_files
        >>> for name in ("ulm/0.png", "ulm/._0.png", "__MACOSX/1.png"):
        ...     Path("images", name).parent.mkdir(parents=True, exist_ok=True)
        ...     Path("images", name).touch()
        >>> [path.as_posix() for path in find_files(Path("images"), "*/*.png")]
        ['images/ulm/0.png']
    """
    part, _, rest = pattern.partition("/")
    names = sorted(os.listdir(folder)) if folder.is_dir() else []
    for name in names:
        if fnmatchcase(name, part) and not is_clutter(name):
            yield from find_files(folder / name, rest) if rest else (folder / name,)


def walk_files(folder: Path) -> list[Path]:
    """Return the files in a folder at any depth, sorted; links are followed, and each folder is entered once.

    Hidden files and folders, and by-products of systems, are left out.

    Args:
        folder: The folder; it need not exist.

    Raises:
        OSError: A folder can't be read.
    """
    entered: set[str] = set()
    files: list[Path] = []

    def raise_error(error: OSError) -> None:
        raise error

    if not folder.is_dir():
        return []
    for where, folders, names in os.walk(folder, onerror=raise_error, followlinks=True):
        real = os.path.realpath(where)
        if real in entered:
            folders.clear()
            continue
        entered.add(real)
        folders[:] = sorted(name for name in folders if not is_clutter(name))
        files += (Path(where, name) for name in names if not is_clutter(name))
    return sorted(files)


@dataclass(frozen=True)
class Tree:
    """The files in an open folder or archive, as `open_tree` yields them.

    Attributes:
        path: Path of the folder or archive.
        names: Sorted names of the files, with slashes between folders; an archive can contain a name twice.
        read: Function that takes the name of a file and returns its content.

    Examples:
        >>> from pathlib import Path, PurePosixPath
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
        DataError: The path is not a folder or an archive, or the archive is damaged. Reading a file inside the `with`
            block can raise this error, too.

    Examples:
        >>> import zipfile
        >>> from pathlib import Path, PurePosixPath
        >>> from oodbench.data import open_tree
        >>> with zipfile.ZipFile("maps.zip", "w") as archive:
        ...     archive.writestr("maps/0.npy", b"numbers")
        >>> with open_tree(Path("maps.zip")) as tree:
        ...     tree.names, tree.read("maps/0.npy")
        (('maps/0.npy',), b'numbers')
    """
    try:
        if path.is_dir():
            names = [file.relative_to(path).as_posix() for file in walk_files(path) if file.is_file()]
            yield Tree(path, tuple(names), lambda name: (path / name).read_bytes())
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                files = [info for info in archive.infolist() if not (info.is_dir() or _is_in_clutter(info.filename))]
                sizes = {info.filename: info.file_size for info in files}
                names = sorted(info.filename for info in files)
                yield Tree(path, tuple(names), _limited(path, sizes, archive.read))
        elif path.is_file() and tarfile.is_tarfile(path):
            with tarfile.open(path) as packed:
                infos = [info for info in packed.getmembers() if info.isfile() and not _is_in_clutter(info.name)]
                members = {info.name: info for info in infos}
                sizes = {name: info.size for name, info in members.items()}
                read = _limited(path, sizes, lambda name: _read_member(packed, members[name]))
                yield Tree(path, tuple(sorted(info.name for info in infos)), read)
        elif path.exists():
            raise DataError(f"{path}: not an archive; expected a folder, a .zip or a .tar file", "Correct the path.")
        else:
            raise DataNotFoundError(f"{path} does not exist; expected a folder or an archive", "Correct the path.")
    except (OSError, zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
        raise DataError(f"{path}: damaged ({error})", "Make the archive again.") from None


def _is_in_clutter(name: str) -> bool:
    """Return whether a file of an archive, or a folder that contains it, is clutter; `./` is not."""
    return any(is_clutter(part) for part in PurePosixPath(name).parts if part != "..")


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
