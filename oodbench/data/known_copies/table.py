"""The table of known copies: one file NAME.json per benchmark, which `python -m tools.known_copies` writes.

A digest is the beginning of `FrameRecord.digest`: it covers the bytes of the image file and the meaning of each label
pixel, but neither the name of the frame nor the layout of the copy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

from pydantic import TypeAdapter

DIGEST_LENGTH = 16
"""Number of hexadecimal digits of a digest in the table."""

_MOST_NAMES = 5


@dataclass(frozen=True)
class KnownCopy:
    """A copy of a benchmark.

    Attributes:
        name: Name of the copy, such as the archive or the collection that contains it.
        source: Address at which the copy was found.
        frames: Maps the ids of those frames in the copy whose digests are known to these digests.
    """

    name: str
    source: str
    frames: Mapping[str, str]


COPIES = TypeAdapter(tuple[KnownCopy, ...])
"""Reader and writer of a file of the table."""


def list_known_copies(benchmark: str) -> tuple[KnownCopy, ...]:
    """Return the known copies of a benchmark; none if the table has no file for it."""
    found = [file for file in files(__package__).iterdir() if file.name == f"{benchmark}.json"]
    return COPIES.validate_json(found[0].read_bytes()) if found else ()


def describe_equality(copies: Sequence[KnownCopy], digests: Mapping[str, str]) -> str:
    """Describe which known copy has most of the given frames.

    Args:
        copies: Known copies of the benchmark, at least one.
        digests: Maps the id of each given frame to its digest, which may be longer than those in the table.

    Returns:
        One sentence without a full stop.
    """
    given = {name: digest[:DIGEST_LENGTH] for name, digest in digests.items()}
    best = max(copies, key=lambda copy: len(set(copy.frames.values()) & set(given.values())))
    known = set(best.frames.values())
    equal = [name for name, digest in given.items() if digest in known]
    if not equal:
        names = "; ".join(copy.name for copy in copies)
        return f"no frame equals a known copy ({names}). Other copies can be valid, too"
    known_frames = f"{len(best.frames)} of its frames known"
    text = f"{len(equal)} of {len(given)} frames equal {best.name} ({best.source}, {known_frames})"
    different = [name for name in given if name not in equal]
    if different:
        text += f". Different: {', '.join(different[:_MOST_NAMES])}{', ...' if len(different) > _MOST_NAMES else ''}"
    return text
