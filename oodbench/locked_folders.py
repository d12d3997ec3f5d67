"""Folders that only one process writes at a time, and folders that are replaced as a whole."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from oodbench.errors import RunFolderError
from oodbench.files import cannot_write

LOCK = ".lock"
"""Name of the file that is locked in a folder."""

# Errors of file systems that have no locks.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)

# Seconds to wait for a lock: longer than `is_locked` holds one, and too short to wait for a run.
_PATIENCE = 0.2


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Create a folder and lock it for this process. The lock is released when the process ends, even after a crash.

    Raises:
        RunFolderError: Another process has locked it, it is not writable, or its file system has no locks.
    """
    lock = filelock.FileLock(folder / LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=_PATIENCE, poll_interval=_PATIENCE / 10)
    except filelock.Timeout:
        raise RunFolderError(
            f"{folder}: another oodbench process uses this folder",
            "Wait for it to finish, or choose another folder with --out.",
        ) from None
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
            raise cannot_write(folder, error) from error
        reason = error.strerror if isinstance(error, OSError) else error
        raise RunFolderError(
            f"{folder}: its file system has no file locks ({reason}), which keep two processes from writing into one "
            "folder",
            "Choose a folder on another disk with --out, or mount this one with locks.",
        ) from error
    try:
        yield
    finally:
        lock.release()


def is_locked(folder: Path) -> bool | None:
    """Return whether a process has locked a folder; None if that is unknown, as on Windows.

    Nothing is written. The test takes a shared lock for an instant, which does not disturb `lock_folder`.
    """
    if sys.platform == "win32":  # which has no shared locks of a file that is open for reading
        return None
    import fcntl

    try:
        with (folder / LOCK).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except BlockingIOError:
        return True
    except OSError:  # the file is not readable, or its file system has no locks
        return None
    return False


@contextmanager
def replace_folder(folder: Path) -> Iterator[Path]:
    """Provide a new folder, which replaces another one at the end. After an error, that one has its old content.

    A killed process leaves a hidden folder next to it, which the next call removes.

    Args:
        folder: The folder to replace or to create. A link to a folder is followed.

    Yields:
        The new folder, on the same disk.

    Raises:
        RunFolderError: The folder is a mount point, its parent is not writable, or another process replaces it.
    """
    target = folder.resolve()
    if os.path.ismount(target):
        raise RunFolderError(
            f"{folder}: is a mount point, which can't be replaced; expected a folder in it",
            f"Choose a folder in it, for example --out {folder / 'new'}.",
        )
    hidden = target.with_name(f".{target.name}.oodbench-part")
    with lock_folder(hidden):
        new = hidden / "new"
        shutil.rmtree(new, ignore_errors=True)
        try:
            new.mkdir()
            yield new
            old = hidden / "old"
            if target.exists():
                target.rename(old)
            try:
                new.rename(target)
            except OSError:
                if old.exists():
                    old.rename(target)
                raise
        except OSError as error:
            raise cannot_write(folder, error) from error
        except RunFolderError as error:
            if not isinstance(error.__cause__, OSError):
                raise
            remedy = "Free some space, or choose another folder with --out."  # nothing is left to resume
            raise RunFolderError(error.problem, remedy) from error
        finally:
            shutil.rmtree(hidden, ignore_errors=True)
