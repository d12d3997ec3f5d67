"""A store with digests: content that changed after it was written is never used."""

from __future__ import annotations

import numpy as np
import pytest

from oodbench.errors import NotStoredError, RunFolderError
from oodbench.storage.artifacts import RunArtifacts
from oodbench.storage.keys import DIGESTS, PLAN, Key, Kind, cost_key, fit_key, score_key
from oodbench.storage.sealed import SealedStore
from tests.helpers.memory_store import MemoryStore

FIRST, SECOND = fit_key("a"), fit_key("b")


def flip(store: MemoryStore, key: Key, position: int) -> None:
    content = bytearray(store.content[key])
    content[position] ^= 1
    store.content[key] = bytes(content)


def test_content_is_returned_as_it_was_written() -> None:
    store = SealedStore(MemoryStore())
    store.write(FIRST, b"one ", memoryview(b"artifact"))
    assert store.read(FIRST) == b"one artifact"
    assert store.read(FIRST, 3) == b"one"
    assert SealedStore(store.inner).read(FIRST) == b"one artifact"


@pytest.mark.parametrize("position", range(6))
def test_every_flipped_byte_is_found(position: int) -> None:
    inner = MemoryStore()
    store = SealedStore(inner)
    store.write(FIRST, b"123456")
    flip(inner, FIRST, position)
    for reader in (store, SealedStore(inner)):
        with pytest.raises(RunFolderError, match=r"fit/a: damaged: its content is not what was written"):
            reader.read(FIRST)


def test_the_content_of_another_key_is_found() -> None:
    inner = MemoryStore()
    store = SealedStore(inner)
    store.write(FIRST, b"one")
    store.write(SECOND, b"two")
    inner.content[SECOND] = inner.content[FIRST]
    with pytest.raises(RunFolderError, match="damaged"):
        store.read(SECOND)


def test_content_without_a_digest_is_damaged() -> None:
    inner = MemoryStore()
    store = SealedStore(inner)
    store.write(FIRST, b"one")
    inner.write(SECOND, b"two")
    with pytest.raises(RunFolderError, match="it has no digest"):
        store.read(SECOND)
    inner.delete(DIGESTS)
    with pytest.raises(RunFolderError, match="without memory:/digests/ it can't be checked"):
        SealedStore(inner).read(FIRST)


def test_a_crash_between_digest_and_content_leaves_the_old_content_readable() -> None:
    class FullDisk(MemoryStore):
        full = False

        def write(self, key: Key, *parts: bytes | bytearray | memoryview) -> None:
            if self.full:
                raise RunFolderError("the disk is full", "Free some space.")
            super().write(key, *parts)

    inner = FullDisk()
    store = SealedStore(inner)
    store.write(PLAN, b"old")
    inner.full = True
    with pytest.raises(RunFolderError, match="full"):
        store.write(PLAN, b"new")
    with pytest.raises(RunFolderError, match="full"):
        store.write(FIRST, b"one")
    assert SealedStore(inner).read(PLAN) == b"old"
    with pytest.raises(NotStoredError):
        SealedStore(inner).read(FIRST)


def test_a_damaged_line_of_the_digests_is_never_a_match() -> None:
    inner = MemoryStore()
    SealedStore(inner).write(FIRST, b"one")
    whole = inner.content[DIGESTS]
    for position in range(len(whole)):
        inner.content[DIGESTS] = whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :]
        try:
            assert SealedStore(inner).read(FIRST) == b"one"
        except RunFolderError:
            continue
        assert inner.content[DIGESTS][position : position + 1] in (b"\x0b", b"!"), "white space alone may change"
    inner.content[DIGESTS] = whole + b'\n["fit", "b", 3'  # cut off by a crash
    store = SealedStore(inner)
    store.write(SECOND, b"two")
    assert SealedStore(inner).read(SECOND) == b"two"


def test_two_stores_of_one_run_see_what_the_other_wrote() -> None:
    inner = MemoryStore()
    reader, writer = SealedStore(inner), SealedStore(inner)
    writer.write(FIRST, b"one")
    assert reader.read(FIRST) == b"one"
    writer.write(FIRST, b"two")
    assert reader.read(FIRST) == b"two"
    assert inner.content[DIGESTS].count(b"\n") == 2
    writer.write(FIRST, b"one")  # has a line already
    assert inner.content[DIGESTS].count(b"\n") == 2


def test_copies_keep_their_digests_and_damage_is_not_copied() -> None:
    source, target = MemoryStore(), MemoryStore()
    store = SealedStore(source)
    store.write(FIRST, b"one")
    SealedStore(target).copy_from(store, [FIRST])
    assert SealedStore(target).read(FIRST) == b"one"
    assert SealedStore(target).is_same(store, FIRST)
    flip(source, FIRST, 0)
    with pytest.raises(RunFolderError, match="damaged"):
        SealedStore(target).copy_from(SealedStore(source), [FIRST])


def test_a_map_of_another_frame_or_size_is_not_reused() -> None:
    inner = MemoryStore()
    artifacts = RunArtifacts(inner)
    key, other = score_key("scorer", "frame"), score_key("scorer", "other")
    artifacts.write_map(key, np.arange(6, dtype=np.float32).reshape(2, 3))
    assert artifacts.has_map(key, (2, 3))
    assert not artifacts.has_map(key, (3, 2))
    inner.content[other] = inner.content[key]
    assert not artifacts.has_map(other, (2, 3))
    flip(inner, key, len(inner.content[key]) - 1)
    with pytest.raises(RunFolderError, match="damaged"):
        artifacts.map(key)


def test_lines_that_are_appended_have_no_digest() -> None:
    store = SealedStore(MemoryStore())
    store.append(cost_key("network"), b"\n1")
    store.append(cost_key("network"), b"\n2")
    assert store.read(cost_key("network")) == b"\n1\n2"
    assert list(store.keys(Kind.DIGESTS)) == []
