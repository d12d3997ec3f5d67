"""Download of archives: resumable, verified by checksum, with a clear error if an address is no longer available."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from oodbench.contracts import Archive
from oodbench.data.verification import describe_mismatch
from oodbench.errors import DataError
from oodbench.files import cannot_write
from oodbench.text import find_file_fault, shorten

_CHUNK = 1 << 20
_TIMEOUT = 60

Track = Callable[[str, int, str], AbstractContextManager[Callable[[int], None]]]
"""Progress callback: (title, total, unit) -> a context manager that gives a callback for each finished part, as
`Progress.track`.
"""


def fetch_archive(archive: Archive, folder: Path, obtain: str, track: Track) -> Path:
    """Download an archive into a folder and return its file. An interrupted download resumes.

    A complete file that exists already is kept. An incomplete download is stored as NAME.part.

    Args:
        archive: Archive with an address.
        folder: Folder to write to.
        obtain: Instruction for the error message.
        track: Progress callback.

    Raises:
        DataError: The name is not that of a file, the address is not available, or the downloaded file differs from
            the published one.
        RunFolderError: The folder can't be written.
    """
    if not archive.url.startswith(("http://", "https://")):
        raise DataError(f"{archive.url}: not a web address", obtain)
    if fault := find_file_fault(archive.name):
        raise DataError(f"the archive {shorten(archive.name)}: {fault}", "Correct the name in the plugin.")
    path, part = folder / archive.name, folder / f"{archive.name}.part"
    if path.is_file() and not describe_mismatch(archive, path):
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _download(archive, part, track)
    except urllib.error.HTTPError as error:
        error.close()
        raise DataError(f"{archive.url}: the server answers {error.code} ({error.reason})", obtain) from None
    except (urllib.error.URLError, TimeoutError, ConnectionError, http.client.HTTPException) as error:
        why = getattr(error, "reason", None) or error
        raise DataError(
            f"{archive.url}: the download failed ({why})",
            f"Run the same command again to resume the download. Otherwise: {obtain}",
        ) from None
    except OSError as error:
        raise cannot_write(part, error) from error
    problem = describe_mismatch(archive, part)
    if problem:
        part.unlink()
        raise DataError(f"{archive.url}: the downloaded file differs from the published one: {problem}", obtain)
    return part.replace(path)


def _download(archive: Archive, part: Path, track: Track) -> None:
    done = part.stat().st_size if part.is_file() else 0
    if done and done == archive.size:
        return
    headers = {"Range": f"bytes={done}-"} if done else {}
    request = urllib.request.Request(archive.url, headers=headers)  # noqa: S310  # its scheme was looked at
    try:
        answer = urllib.request.urlopen(request, timeout=_TIMEOUT)  # noqa: S310
    except urllib.error.HTTPError as error:
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        error.close()  # the part is as long as the file, or longer: its checksum will tell
        return
    with answer:
        goes_on = answer.status == http.HTTPStatus.PARTIAL_CONTENT
        coming = int(answer.headers.get("Content-Length") or 0)
        with part.open("ab" if goes_on else "wb") as file, track(f"fetch {archive.name}", coming, "bytes") as advance:
            received = 0
            while block := answer.read(_CHUNK):
                file.write(block)
                received += len(block)
                advance(len(block))
    if received < coming:
        raise ConnectionError(f"received {received} of {coming} bytes")
