"""Verification of a local copy against the published data: one finding per problem, for `oodbench data verify`."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

from oodbench.contracts import Archive
from oodbench.data.folders import convert_read_errors, iter_subfolders
from oodbench.data.frame_check import check_frame
from oodbench.errors import DataError
from oodbench.files import digest_file
from oodbench.threads import open_pool
from oodbench.types import Frame, FrameSet


@dataclass(frozen=True)
class Finding:
    """One problem and its remedy, which may be empty."""

    problem: str
    remedy: str

    @override
    def __str__(self) -> str:
        return " ".join(filter(None, (f"{self.problem.removesuffix('.')}.", self.remedy)))


def make_findings(error: DataError) -> list[Finding]:
    """Convert an error to findings, one per file that it lists."""
    return [Finding(problem, error.remedy or "") for problem in error.each or [error.problem]]


def verify_frames(found: FrameSet, obtain: str) -> Iterator[Finding]:
    """Verify the number of frames, the uniqueness of their ids, and each frame.

    Args:
        found: Opened frames; opening has checked that each has an image and a label.
        obtain: Where to get the data.
    """
    count = len(found.frames)
    if count != found.expected:
        yield Finding(f"{found.folder}: {count} frames; the complete set has {found.expected}.", obtain)
    yield from (Finding(warning, "") for warning in found.warnings)
    for identity, times in Counter(frame.id for frame in found.frames).items():
        if times > 1:
            yield Finding(f"{found.folder}: {times} frames are called {identity}.", "Give each frame a unique id.")
    with open_pool() as pool:
        for findings in pool.map(_find_problems, found.frames):
            yield from findings


def _find_problems(frame: Frame) -> list[Finding]:
    try:
        check_frame(frame)
    except DataError as error:
        return make_findings(error)
    return []


def verify_archives(archives: Sequence[Archive], roots: Sequence[Path]) -> Iterator[Finding]:
    """Yield a finding for each archive under the roots whose size or checksum differs from the published one.

    Archives with unknown size and checksum are skipped, because other datasets have files of the same names. So are
    files with the name of an archive that is no longer offered, but with another size.

    Args:
        archives: Published archives.
        roots: Folders to search.
    """
    for archive in archives:
        if not (archive.digest or archive.size):
            continue
        for path in _find_archives(archive.name, roots):
            if not archive.available and path.stat().st_size != archive.size:
                continue
            problem = describe_mismatch(archive, path)
            if problem:
                yield Finding(f"{path}: {problem}.", "Download it again.")


def _find_archives(name: str, roots: Sequence[Path]) -> list[Path]:
    candidates = (folder / name for root in roots for folder in iter_subfolders(root))
    return list({path.resolve(): path for path in candidates if path.is_file()}.values())


def describe_mismatch(archive: Archive, path: Path) -> str:
    """Describe how a downloaded file differs from the published one; empty if it does not."""
    with convert_read_errors(path):
        size = path.stat().st_size
        if archive.size is not None and size != archive.size:
            return f"{size} bytes; expected {archive.size}"
        if archive.sha256:
            digest = digest_file(path)
            if digest != archive.sha256.lower():
                return f"SHA-256 {digest}; expected {archive.sha256}"
        elif archive.md5:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
            if digest != archive.md5.lower():
                return f"MD5 {digest}; expected {archive.md5}"
    return ""
