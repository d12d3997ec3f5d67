"""Recognition of known copies by the digests of their frames."""

from __future__ import annotations

from pathlib import Path

from oodbench.data.known_copies import table
from oodbench.data.known_copies.table import DIGEST_LENGTH, KnownCopy, describe_equality, list_known_copies
from oodbench.registry import Registry

FIRST = KnownCopy("the first copy", "https://example.org/1", {name: f"{name * DIGEST_LENGTH}" for name in "abc"})
SECOND = KnownCopy("the second copy", "https://example.org/2", {name: f"{name * DIGEST_LENGTH}" for name in "cdefg"})


def digests(names: str) -> dict[str, str]:
    """Return a longer digest per frame, under another name."""
    return {f"frame {name}": name * 64 for name in names}


def test_the_copy_with_most_equal_frames_is_named() -> None:
    text = describe_equality((FIRST, SECOND), digests("abc"))
    assert text == "3 of 3 frames equal the first copy (https://example.org/1, 3 of its frames known)"
    text = describe_equality((FIRST, SECOND), digests("cdx"))
    assert text.startswith("2 of 3 frames equal the second copy (https://example.org/2, 5 of its frames known)")
    assert text.endswith(". Different: frame x")


def test_many_different_frames_are_shortened() -> None:
    text = describe_equality((FIRST,), digests("auvwxyz"))
    assert text.endswith("Different: frame u, frame v, frame w, frame x, frame y, ...")


def test_an_unknown_copy_is_no_error() -> None:
    text = describe_equality((FIRST, SECOND), digests("xyz"))
    assert text == ("no frame equals a known copy (the first copy; the second copy). Other copies can be valid, too")


def test_each_file_of_the_table_belongs_to_a_benchmark() -> None:
    names = [path.stem for path in Path(table.__file__).parent.glob("*.json")]
    assert "road-anomaly" in names
    assert set(names) <= set(Registry().names("benchmarks"))
    for name in names:
        for copy in list_known_copies(name):
            assert len(set(copy.frames.values())) == len(copy.frames)
            assert all(len(digest) == DIGEST_LENGTH for digest in copy.frames.values())
    assert list_known_copies("absent") == list_known_copies("../known_copies/road-anomaly") == ()
