"""Atomic file writes (temporary file, fsync, rename) and file digests."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

import xxhash

from oodbench.errors import RunFolderError


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Create or replace a file so that a crash never leaves a partial file.

    After a crash the file has either its old content or its new content. The folder entry is not synced: after a power
    cut the newest files may be missing, and resuming then computes them again.

    Args:
        path: The file to create or replace.
        write: Function that writes the content into the open file that it receives.

    Raises:
        RunFolderError: The disk is full, or the folder is not writable.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".part", delete=False) as file:
            temporary = Path(file.name)
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


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
