"""Run store in memory, which implements only the interface of `RunStore`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from oodbench.errors import NotStoredError
from oodbench.storage.keys import Key, Kind
from oodbench.storage.run_store import RunStore


class MemoryStore(RunStore):
    """Store of bytes in a dictionary."""

    def __init__(self, name: str = "") -> None:
        self.location = f"memory:{name}"
        self.content: dict[Key, bytes] = {}

    def read(self, key: Key, count: int | None = None) -> bytearray:
        if key not in self.content:
            raise NotStoredError(f"{self.name(key)}: not stored", "Run again.")
        return bytearray(self.content[key][:count])

    def write(self, key: Key, *parts: bytes | bytearray | memoryview) -> None:
        self.content[key] = b"".join(parts)

    def append(self, key: Key, data: bytes) -> None:
        self.content[key] = self.content.get(key, b"") + data

    def size(self, key: Key) -> int | None:
        return len(self.content[key]) if key in self.content else None

    def delete(self, key: Key) -> None:
        self.content.pop(key, None)

    def keys(self, kind: Kind) -> Iterator[Key]:
        yield from sorted(key for key in self.content if key.kind is kind)

    @contextmanager
    def lock(self) -> Iterator[None]:
        yield

    def name(self, key: Key) -> str:
        return f"{self.location}/{key.kind}/{'/'.join(key.parts)}"
