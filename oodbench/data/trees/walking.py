"""Files in folders, without hidden files and by-products of systems."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

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
