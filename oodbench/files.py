"""Atomic file writes (temporary file, fsync, rename), file digests, and paths and text files from users."""

from __future__ import annotations

import codecs
import errno
import hashlib
import io
import os
import platform
import re
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

import xxhash

from oodbench.errors import RunFolderError, UsageError

# Names of temporary files: .oodbench-<machine>-<process>-<random>.part
_PREFIX, _SUFFIX = ".oodbench-", ".part"
_HOST = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
_TEMPORARY = re.compile(r"\.oodbench-([0-9a-f]{8})-(\d+)-\w+\.part")
_DAY = 24 * 3600.0

# Folders in which this process has removed what killed processes left: once, because a folder can have many files.
_clean: set[Path] = set()

# The mark of UTF-32 in little-endian order begins with that of UTF-16, so it is tried first.
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}

# The mask can only be read by setting it, which is not safe next to other threads: read once, on import.
_UMASK = os.umask(0o077)
os.umask(_UMASK)


def expand_home(path: str | Path) -> str:
    """Replace a leading `~` or `~USER` by the home folder. Shells don't do so after `=`, and neither does Python.

    Args:
        path: A path, or a text that begins with one, such as `~/net.py:FUNCTION`.

    Raises:
        UsageError: There is no such user, or the home folder is unknown.
    """
    text = str(path)
    expanded = os.path.expanduser(text)
    if expanded.startswith("~") and not os.path.lexists(text):
        user = Path(text).parts[0]
        problem = f"there is no user {user[1:]!r}" if user != "~" else "the home folder is unknown"
        raise UsageError(
            f"{text}: {problem}; expected a path",
            f"Write ./{text} for a name that begins with ~; ~ and ~USER are home folders.",
        )
    return expanded


def read_text(path: Path) -> str:
    """Read a text file that a user wrote, in UTF-8 or, with a byte order mark, in UTF-16 or UTF-32.

    Args:
        path: The file. A byte order mark is not part of the text.

    Raises:
        OSError: The file can't be read.
        ValueError: The file has another encoding.
    """
    content = path.read_bytes()
    encoding = find_encoding(content)
    if encoding.startswith("utf-8") and b"\0" in content:
        raise ValueError("it contains zero bytes, as UTF-16 without a byte order mark does; expected text in UTF-8")
    try:
        return io.TextIOWrapper(io.BytesIO(content), encoding).read()
    except UnicodeDecodeError as error:
        name = encoding.removesuffix("-sig").upper()
        raise ValueError(f"byte {error.start} is not {name}; expected text in UTF-8") from None


def find_encoding(content: bytes) -> str:
    """Return the encoding that the byte order mark of a text states; UTF-8 without a mark."""
    return next((name for mark, name in _MARKS.items() if content.startswith(mark)), "utf-8")


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Create or replace a file so that a crash never leaves a partial file.

    After a crash the file has either its old content or its new content. The folder entry is not synced: after a power
    cut the newest files may be missing, and resuming then computes them again. A killed process leaves a temporary
    file. The next process that writes into the folder removes it.

    Args:
        path: The file to create or replace.
        write: Function that writes the content into the open file that it receives.

    Raises:
        RunFolderError: The disk is full, or the folder is not writable.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.parent not in _clean:
            remove_leftovers(path.parent)
            _clean.add(path.parent)
        prefix = f"{_PREFIX}{_HOST}-{os.getpid()}-"
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=prefix, suffix=_SUFFIX, delete=False) as file:
            temporary = Path(file.name)
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_UMASK)
        temporary.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def is_temporary(path: Path) -> bool:
    """Return whether a file has the name of a temporary file of `write_atomically`."""
    return _TEMPORARY.fullmatch(path.name) is not None


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files in a folder whose process has ended; folders in it are not searched.

    Whether a process of another machine has ended is not known: its files are removed when they are a day old.
    """
    for path in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
        found = _TEMPORARY.fullmatch(path.name)
        if found is None:
            continue
        host, process = found.groups()
        with suppress(OSError):  # another process may remove it at the same time
            ended = time.time() - path.stat().st_mtime > _DAY if host != _HOST else not _is_running(int(process))
            if ended:
                path.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    if process == os.getpid() or os.name == "nt":  # on Windows os.kill would end the process
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def cannot_write(path: Path, error: OSError) -> RunFolderError:
    """Return the error for a file or folder that can't be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        remedy = "Free some space, or use --out on another disk or --keep-scores none; the same command then resumes."
    elif error.errno == errno.ENAMETOOLONG:
        remedy = "Shorten the name of the frame or of the folder."
    else:
        remedy = "Choose a writable folder with --out."
    return RunFolderError(f"{path}: can't be written ({error.strerror})", remedy)


def digest_bytes(data: bytes) -> str:
    """Return the SHA-256 of the data in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def fast_digest(*parts: bytes | bytearray | memoryview) -> str:
    """Return the XXH3 digest (128 bits, in hexadecimal) of the parts in order.

    It is not cryptographic: it finds accidents in large content, at memory speed.
    """
    state = xxhash.xxh3_128()
    for part in parts:
        state.update(part)
    return state.hexdigest()


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file's content in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
