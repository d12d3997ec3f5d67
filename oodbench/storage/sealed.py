"""Store that notices content that changed after it was written."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager

from typing_extensions import override

from oodbench.errors import RunFolderError
from oodbench.files import fast_digest
from oodbench.storage.keys import DIGESTS, Key, Kind
from oodbench.storage.run_store import REEVALUATE, REPAIR, RunStore

_UNSEALED = frozenset({Kind.DIGESTS, Kind.COST, Kind.IMAGE_SCORE, Kind.IMAGE_HEATMAP, Kind.IMAGE_SHARES})
"""Kinds without a digest: the digests themselves, lines that are appended, and output that no command reads."""

_Seal = tuple[int, str]


class SealedStore(RunStore):
    """A store around another one that records a digest of each artifact and checks it on each read.

    The digests are lines of one artifact, `DIGESTS`: the key, the size in bytes and the digest. A line is appended
    before the artifact is written. After a crash between the two, the artifact has its old content, whose line is there
    too. Content that no line of its key names is damaged: it was changed, or belongs to another key.

    A digest finds accidents. It does not find changes that were made to the digests, too.

    Args:
        store: The store of the artifacts and of the digests.
    """

    def __init__(self, store: RunStore) -> None:
        self.inner = store
        self.location = store.location
        self._seals: dict[Key, set[_Seal]] | None = None  # None: not read yet
        self._lock = threading.Lock()

    @override
    def read(self, key: Key, count: int | None = None) -> bytearray:
        """Return the content of an artifact, or its first `count` bytes. The first bytes alone are not checked.

        Raises:
            NotStoredError: There is no such artifact.
            RunFolderError: The artifact can't be read, or it is damaged.
        """
        data = self.inner.read(key, count)
        if count is None and key.kind not in _UNSEALED and not self._knows(key, (len(data), fast_digest(data))):
            if self.inner.size(DIGESTS) is None:
                raise RunFolderError(
                    f"{self.name(key)}: without {self.name(DIGESTS)} it can't be checked; another version of oodbench "
                    "wrote this run, or the file was not copied with it",
                    "Use the version that wrote it, copy the whole folder, or start from scratch with --overwrite.",
                )
            problem = "its content is not what was written" if self._of(key) else "it has no digest"
            raise RunFolderError(
                f"{self.name(key)}: damaged: {problem} in {self.name(DIGESTS)}",
                REEVALUATE if key.kind in (Kind.BREAKDOWN, Kind.SKETCH) else REPAIR,
            )
        return data

    @override
    def write(self, key: Key, *parts: bytes | bytearray | memoryview) -> None:
        if key.kind not in _UNSEALED:
            self._record(key, (sum(memoryview(part).nbytes for part in parts), fast_digest(*parts)))
        self.inner.write(key, *parts)

    @override
    def append(self, key: Key, data: bytes) -> None:
        self.inner.append(key, data)

    @override
    def size(self, key: Key) -> int | None:
        return self.inner.size(key)

    def is_intact(self, key: Key) -> bool:
        """Return whether an artifact exists and has the size of what was written. Its content is not read."""
        size = self.inner.size(key)
        if size is None:
            return False
        if any(size == known for known, _ in self._of(key)):
            return True
        self._load()  # another process may have written since
        return any(size == known for known, _ in self._of(key))

    @override
    def delete(self, key: Key) -> None:
        self.inner.delete(key)

    @override
    def keys(self, kind: Kind) -> Iterator[Key]:
        return self.inner.keys(kind)

    @override
    def lock(self) -> AbstractContextManager[None]:
        return self.inner.lock()

    @override
    def name(self, key: Key) -> str:
        return self.inner.name(key)

    @override
    def clear(self) -> None:
        self.inner.clear()
        self._seals = None

    @override
    def is_same(self, other: RunStore, key: Key) -> bool:
        """Return whether both stores have the same content under a key, and it is not damaged."""
        return bytes(self.read(key)) == bytes(other.read(key))

    @override
    def copy_from(self, other: RunStore, keys: Iterable[Key]) -> None:
        """Copy artifacts from another store together with their digests.

        Raises:
            RunFolderError: An artifact of the other store is damaged, or this store can't be written.
        """
        keys = list(keys)
        for key in keys:
            data = other.read(key)
            self._record(key, (len(data), fast_digest(data)))
        self.inner.copy_from(other.inner if isinstance(other, SealedStore) else other, keys)

    def _of(self, key: Key) -> set[_Seal]:
        seals = self._load() if self._seals is None else self._seals
        return seals.get(key, set())

    def _knows(self, key: Key, seal: _Seal) -> bool:
        if seal in self._of(key):
            return True
        self._load()  # another process may have written since
        return seal in self._of(key)

    def _record(self, key: Key, seal: _Seal) -> None:
        """Append a line for this content, unless there is one."""
        if seal in self._of(key):
            return
        with self._lock:
            # The line break comes first, so that a part of a line left by a full disk does not spoil the next line.
            self.inner.append(DIGESTS, b"\n" + json.dumps([key.kind, *key.parts, *seal]).encode())
            if self._seals is not None:
                self._seals.setdefault(key, set()).add(seal)

    def _load(self) -> dict[Key, set[_Seal]]:
        """Read the digests, keep them and return them. A damaged line counts as none."""
        with self._lock:
            seals: dict[Key, set[_Seal]] = {}
            stored = self.inner.size(DIGESTS) is not None
            for line in bytes(self.inner.read(DIGESTS)).splitlines() if stored else ():
                try:
                    kind, *parts, length, digest = json.loads(line)
                    key = Key(Kind(kind), tuple(map(str, parts)))
                    seals.setdefault(key, set()).add((int(length), str(digest)))
                except (ValueError, TypeError, RecursionError, RunFolderError):
                    continue
            self._seals = seals
            return seals
