"""Store that reads another store and keeps everything that is written in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext

from typing_extensions import override

from oodbench.errors import NotStoredError
from oodbench.storage.keys import Key, Kind
from oodbench.storage.run_store import RunStore


class ScratchStore(RunStore):
    """A store on top of another one, which is never changed: a stage can be repeated without a copy of the run.

    Args:
        store: The store that is read.
        hidden: Kinds of artifacts of that store that are treated as missing, so that a stage computes them again.
    """

    def __init__(self, store: RunStore, hidden: frozenset[Kind] = frozenset()) -> None:
        self._store, self._hidden = store, hidden
        self._written: dict[Key, bytes] = {}
        self._deleted: set[Key] = set()
        self.location = store.location
        self.reports = store.reports

    @override
    def read(self, key: Key, count: int | None = None) -> bytearray:
        if key in self._written:
            return bytearray(self._written[key][:count])
        if not self._is_visible(key):
            raise NotStoredError(f"{self.name(key)}: not computed", "Run the same command again.")
        return self._store.read(key, count)

    @override
    def write(self, key: Key, *parts: bytes | bytearray | memoryview) -> None:
        self._written[key] = b"".join(parts)

    @override
    def append(self, key: Key, data: bytes) -> None:
        self._written[key] = bytes(self.read(key) if self.has(key) else b"") + data

    @override
    def size(self, key: Key) -> int | None:
        if key in self._written:
            return len(self._written[key])
        return self._store.size(key) if self._is_visible(key) else None

    @override
    def delete(self, key: Key) -> None:
        self._written.pop(key, None)
        self._deleted.add(key)

    @override
    def keys(self, kind: Kind) -> Iterator[Key]:
        stored = {key for key in self._store.keys(kind) if self._is_visible(key)}
        yield from sorted(stored | {key for key in self._written if key.kind is kind})

    @override
    def lock(self) -> AbstractContextManager[None]:
        """Lock nothing, because the other store is not changed."""
        return nullcontext()

    @override
    def name(self, key: Key) -> str:
        return self._store.name(key)

    def _is_visible(self, key: Key) -> bool:
        return key.kind not in self._hidden and key not in self._deleted
