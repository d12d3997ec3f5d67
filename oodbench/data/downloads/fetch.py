"""Download of an archive: resumed, retried and verified. Its errors distinguish busy servers from dead addresses."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from oodbench.contracts import Archive
from oodbench.data.downloads.web import (
    DownloadFailedError,
    Reason,
    is_html,
    is_web_address,
    make_page_error,
    request_file,
)
from oodbench.data.verification import describe_mismatch
from oodbench.errors import DataError, RunFolderError
from oodbench.files import cannot_write
from oodbench.progress import Progress

_CHUNK = 1 << 20

_WAITS = (1.0, 2.0, 5.0, 15.0)
"""Waits before the second and each further attempt, in seconds. An attempt that receives a chunk starts from the first
wait again, so that a large file arrives over a bad connection.
"""

_LONGEST_WAIT = 120.0
"""Longest time in seconds for which a server may ask to wait. Beyond it, the user decides when to try again."""


def fetch_archive(
    archive: Archive,
    folder: Path,
    obtain: str,
    progress: Progress,
    sleep: Callable[[float], object] = time.sleep,
) -> Path:
    """Download an archive into a folder and return its file. An interrupted download resumes.

    A complete file that exists already is kept. An incomplete download is stored as NAME.part, and the server's
    version of the file as NAME.part.version. A busy server, a server error and a broken connection are tried again.

    Args:
        archive: Archive with an address.
        folder: Folder to write to.
        obtain: Instruction for the error message.
        progress: Callback for progress messages.
        sleep: Function that waits for a number of seconds.

    Raises:
        DataError: The server sends no file, or the downloaded file differs from the published one.
        RunFolderError: The folder can't be written.
    """
    if not is_web_address(archive.url):
        raise DataError(f"{archive.url or archive.name}: not a web address; expected http:// or https://", obtain)
    path, part = folder / archive.name, folder / f"{archive.name}.part"
    for file in (path, part):
        if file.exists() and not file.is_file():
            raise RunFolderError(f"{file}: not a file", "Remove it, or choose another folder with --out.")
    if path.is_file() and not describe_mismatch(archive, path):
        return path
    with _convert_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        problem = _download(archive, part, progress, sleep)
    except DownloadFailedError as error:
        raise DataError(f"{archive.url}: {error}", f"{_advise(error.reason, archive, path)} {obtain}".strip()) from None
    with _convert_write_errors(part):
        _version_file(part).unlink(missing_ok=True)
        if not problem:
            part.replace(path)
        else:
            part.unlink()
    if problem:
        raise DataError(f"{archive.url}: the downloaded file differs from the published one: {problem}", obtain)
    if not archive.digest:
        how = " over an unencrypted connection" if archive.url.startswith("http:") else ""
        progress.warn(f"{path}: came{how} without a published checksum, so its content is not verified")
    return path


def _download(archive: Archive, part: Path, progress: Progress, sleep: Callable[[float], object]) -> str:
    """Complete the partial file, and return how it differs from the published file; empty if it does not."""
    while True:
        resumed = _receive_all(archive, part, progress, sleep)
        problem = describe_mismatch(archive, part)
        if not (problem and resumed):
            return problem
        # The first bytes can be those of another version of the file.
        progress.say(f"{archive.name}: the resumed file is not the published one ({problem}); starting again")
        with _convert_write_errors(part):
            part.unlink()


def _receive_all(archive: Archive, part: Path, progress: Progress, sleep: Callable[[float], object]) -> bool:
    """Receive the rest of the file, in several attempts if necessary. Return whether earlier bytes were reused."""
    waits = iter(_WAITS)
    resumed = False
    while True:
        start = _count_reusable(archive, part)
        resumed = resumed or start > 0
        if start and start == archive.size:
            return resumed
        try:
            try:
                _receive(archive, part, start, progress)
            except DownloadFailedError as error:
                if not (start and error.reason is Reason.RANGE):
                    raise
                if start != error.total:
                    _receive(archive, part, 0, progress)
        except DownloadFailedError as error:
            if _count_bytes(part) >= start + _CHUNK:
                waits = iter(_WAITS)
            seconds = next(waits, None) if error.temporary else None
            if seconds is None or error.wait > _LONGEST_WAIT:
                raise
            seconds = max(seconds, error.wait)
            progress.say(f"{archive.name}: {error}; the next attempt is in {seconds:.0f} s")
            sleep(seconds)
        else:
            return resumed


def _receive(archive: Archive, part: Path, start: int, progress: Progress) -> None:
    """Receive the file from a position. The partial file is changed only after the answer looks like the archive."""
    with request_file(archive.url, start, _read_version(part) if start else "") as answer:
        if archive.size is not None and answer.total not in (None, archive.size):
            raise _make_size_error(archive, f"{answer.total} bytes")
        block = answer.read(_CHUNK)
        if not answer.start and is_html(block):
            raise make_page_error()
        if not answer.start:
            with _convert_write_errors(part):
                part.write_bytes(b"")
                _version_file(part).write_text(answer.validator, encoding="latin-1")
        left = answer.length if answer.length is not None else max((archive.size or 0) - answer.start, 0)
        received = 0
        with progress.track(f"fetch {archive.name}", left, "bytes") as advance:
            while block:
                received += len(block)
                if archive.size is not None and answer.start + received > archive.size:
                    raise _make_size_error(archive, "more bytes")
                with _convert_write_errors(part), part.open("ab") as file:
                    file.write(block)
                advance(len(block))
                block = answer.read(_CHUNK)
    if answer.length is not None and received < answer.length:
        raise DownloadFailedError(Reason.BROKEN, f"the connection ended after {received} of {answer.length} bytes")


def _make_size_error(archive: Archive, found: str) -> DownloadFailedError:
    return DownloadFailedError(Reason.OTHER, f"the server sends {found}; expected {archive.size} bytes")


def _count_reusable(archive: Archive, part: Path) -> int:
    """Return how many bytes of the partial file can be kept: none if nothing can show that they are the right ones."""
    size = _count_bytes(part)
    known = archive.digest or _read_version(part)
    return size if known and (archive.size is None or size <= archive.size) else 0


def _count_bytes(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _version_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.version")


def _read_version(part: Path) -> str:
    """Return the server's version of the partial file; empty if it is not known."""
    try:
        text = _version_file(part).read_text(encoding="latin-1").strip()
    except OSError:
        return ""
    return text if text.isprintable() else ""


def _advise(reason: Reason, archive: Archive, path: Path) -> str:
    by_hand = f"store it as {path}, and run the same command again, which verifies it."
    facts = ", ".join(filter(None, (f"{archive.size} bytes" if archive.size else "", archive.digest)))
    return {
        Reason.REFUSED: f"It may need a login. Download the file in a browser, {by_hand}",
        Reason.PAGE: f"Download the file in a browser, {by_hand}",
        Reason.DEAD: f"If you find a copy of {archive.name}{f' ({facts})' if facts else ''} elsewhere, {by_hand}",
        Reason.BUSY: "Run the same command again later to resume the download.",
        Reason.BROKEN: "Run the same command again to resume the download.",
        Reason.UNREACHABLE: "Check the network, and run the same command again.",
    }.get(reason, "")


@contextmanager
def _convert_write_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise cannot_write(path, error) from error
        raise RunFolderError(
            f"{path}: can't be written ({error.strerror})",
            "Free some space, or use --out on another disk. The same command then resumes the download.",
        ) from error
