"""Is a data set as its authors publish it: what `oodbench data verify` says, a finding for each thing that is off."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from oodbench.contracts import Archive
from oodbench.data.check import check_frame
from oodbench.data.folders import readable, subfolders
from oodbench.errors import DataError
from oodbench.types import Frame, FrameSet


@dataclass(frozen=True)
class Finding:
    """One thing that is off, and what to do; `remedy` may be empty."""

    problem: str
    remedy: str

    def __str__(self) -> str:
        return " ".join(filter(None, (self.problem, self.remedy)))


def findings_of(error: DataError) -> list[Finding]:
    """What an error says, a finding for each file that it speaks of."""
    return [Finding(problem, error.remedy or "") for problem in error.each or [error.problem]]


def verify_frames(found: FrameSet, obtain: str) -> Iterator[Finding]:
    """How many frames there are, whether their ids differ, and each frame that is not in order.

    Args:
        found: frames that were opened; opening has checked that each has its image and its label.
        obtain: where to get the data set.
    """
    count = len(found.frames)
    if count != found.expected:
        yield Finding(f"{found.folder}: {count} frames; the complete set has {found.expected}.", obtain)
    yield from (Finding(warning, "") for warning in found.warnings)
    for identity, times in Counter(frame.id for frame in found.frames).items():
        if times > 1:
            yield Finding(f"{found.folder}: {times} frames are called {identity}.", "Ids must be unique.")
    with ThreadPoolExecutor() as workers:
        for findings in workers.map(_check, found.frames):
            yield from findings


def _check(frame: Frame) -> list[Finding]:
    try:
        check_frame(frame)
    except DataError as error:
        return findings_of(error)
    return []


def verify_archives(archives: Sequence[Archive], roots: Sequence[Path]) -> Iterator[Finding]:
    """Each archive of that name under the roots whose size or checksum is not the published one.

    Archives whose size and checksum are not known are passed over: other data sets have files of the same names.
    """
    for archive in archives:
        if not (archive.md5 or archive.size):
            continue
        for path in _places(archive.name, roots):
            problem = mismatch(archive, path)
            if problem:
                yield Finding(f"{path}: {problem}.", "Download it again.")


def _places(name: str, roots: Sequence[Path]) -> list[Path]:
    candidates = (folder / name for root in roots for folder in subfolders(root))
    return list({path.resolve(): path for path in candidates if path.is_file()}.values())


def mismatch(archive: Archive, path: Path) -> str:
    """In what a downloaded file differs from the published one; empty where it doesn't."""
    with readable(path):
        size = path.stat().st_size
        if archive.size is not None and size != archive.size:
            return f"{size} bytes; expected {archive.size}"
        if archive.md5:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
            if digest != archive.md5:
                return f"MD5 {digest}; expected {archive.md5}"
    return ""
