"""Files in a folder or an archive, read one by one without unpacking."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from oodbench.data.folders import convert_read_errors
from oodbench.data.trees.archives import check_size, open_archive
from oodbench.data.trees.walking import is_clutter, walk_files
from oodbench.errors import DataError, DataNotFoundError
from oodbench.text import find_fault, shorten


@dataclass(frozen=True)
class Tree:
    """The files in an open folder or archive, as `open_tree` yields them.

    Attributes:
        path: Path of the folder or archive.
        names: Sorted names of the files, with slashes between folders.
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
        DataError: The path is not a folder or an archive; the archive is damaged or encrypted; or it contains a link, a
            device, a name that leads out of its folder or can't be printed, a name twice, more than 20,000 files, or a
            file larger than 512 MiB. Reading a file inside the `with` block can raise this error, too.

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
    if path.is_dir():
        with convert_read_errors(path):
            names = [file.relative_to(path).as_posix() for file in walk_files(path) if file.is_file()]
        yield Tree(path, _check_names(path, names), lambda name: _read_file(path / name))
    elif path.is_file():
        with open_archive(path) as files:
            if files is None:
                raise DataError(
                    f"{path}: not an archive; expected a folder, a .zip or a .tar file", "Correct the path."
                )
            names = [name for name in files if not _is_in_clutter(name)]
            yield Tree(path, _check_names(path, names), lambda name: files[name]())
    else:
        what = "is not a file or a folder" if path.exists() else "does not exist"
        raise DataNotFoundError(f"{path} {what}; expected a folder or an archive", "Correct the path.")


def _read_file(path: Path) -> bytes:
    with convert_read_errors(path):
        check_size(path, "the file", path.stat().st_size)
        return path.read_bytes()


def _check_names(path: Path, names: Collection[str]) -> tuple[str, ...]:
    """Return the names sorted; raise DataError if one is not printable text."""
    for name in names:
        if fault := find_fault(name, len(name)):
            raise DataError(f"{path}: the file name {shorten(name)}: {fault}", "Rename the file, and pack it again.")
    return tuple(sorted(names))


def _is_in_clutter(name: str) -> bool:
    """Return whether a file of an archive, or a folder that contains it, is clutter; `./` is not."""
    return any(is_clutter(part) for part in PurePosixPath(name).parts if part != "..")
