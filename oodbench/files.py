"""Files that are whole or not there: written under a temporary name, synced, renamed. And the digests of files."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from oodbench.errors import RunFolderError


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Create or replace `path` by what `write` puts into the file it is given.

    After a crash the file has its old content or its new one, never a part. The folder's own entry is not synced: after
    a power cut the newest files may be missing, which resuming takes for work not done.

    Raises:
        RunFolderError: the disk is full, or the folder can't be written.
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
    """The error for a file or folder that can't be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        remedy = "Free some space, or use --out on another disk or --keep-scores none; the same command goes on."
    else:
        remedy = "Choose a folder that can be written with --out."
    return RunFolderError(f"{path}: can't be written ({error.strerror})", remedy)


def digest_bytes(data: bytes) -> str:
    """SHA-256, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def digest_file(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
