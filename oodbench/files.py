"""Atomic file writes (temporary file, fsync, rename) and file digests."""

from __future__ import annotations

import errno
import hashlib
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

from oodbench.errors import RunFolderError

# Names of temporary files: .oodbench-<machine>-<process>-<random>.part
_PREFIX, _SUFFIX = ".oodbench-", ".part"
_HOST = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
_TEMPORARY = re.compile(r"\.oodbench-([0-9a-f]{8})-(\d+)-\w+\.part")
_DAY = 24 * 3600.0

# The mask can only be read by setting it, which is not safe next to other threads: read once, on import.
_UMASK = os.umask(0o077)
os.umask(_UMASK)


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Create or replace a file so that a crash never leaves a partial file.

    After a crash the file has either its old content or its new content. The folder entry is not synced: after a power
    cut the newest files may be missing, and resuming then computes them again. A killed process leaves a temporary
    file, which `remove_leftovers` removes.

    Args:
        path: The file to create or replace.
        write: Function that writes the content into the open file that it receives.

    Raises:
        RunFolderError: The disk is full, or the folder is not writable.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
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
