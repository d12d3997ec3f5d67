"""The interface of a place that keeps the artifacts of a run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager

from oodbench.storage.keys import Key, Kind


class RunStore(ABC):
    """Keys and bytes. What the bytes mean is the business of `RunArtifacts`.

    Attributes:
        location: Where it is, for messages: the path of a folder.
    """

    location: str

    @abstractmethod
    def read(self, key: Key, count: int | None = None) -> bytearray:
        """Return the content of an artifact, or its first `count` bytes.

        Raises:
            NotStoredError: There is no such artifact.
            RunFolderError: It can't be read.
        """

    @abstractmethod
    def write(self, key: Key, data: bytes | bytearray | memoryview) -> None:
        """Create or replace an artifact. After a crash it has its old content or its new one, never a part.

        Raises:
            RunFolderError: It can't be written.
        """

    @abstractmethod
    def append(self, key: Key, data: bytes) -> None:
        """Add bytes to the end of an artifact. After a crash a part of them may be there.

        Raises:
            RunFolderError: It can't be written.
        """

    @abstractmethod
    def size(self, key: Key) -> int | None:
        """Return the size of an artifact in bytes; None if there is none."""

    @abstractmethod
    def delete(self, key: Key) -> None:
        """Remove an artifact, if it is there."""

    @abstractmethod
    def keys(self, kind: Kind) -> Iterator[Key]:
        """Yield the keys of all artifacts of one kind, sorted."""

    @abstractmethod
    def lock(self) -> AbstractContextManager[None]:
        """Hold the store for this process.

        Raises:
            RunFolderError: Another process holds it, or it can't be written.
        """

    @abstractmethod
    def name(self, key: Key) -> str:
        """Return what messages call an artifact: the path of a file."""

    def has(self, key: Key) -> bool:
        """Return whether there is such an artifact."""
        return self.size(key) is not None

    def is_same(self, other: RunStore, key: Key) -> bool:
        """Return whether this store and another one hold the same content under one key."""
        return self.size(key) == other.size(key) and self.read(key) == other.read(key)

    def clear(self) -> None:
        """Remove every artifact."""
        for kind in Kind:
            for key in list(self.keys(kind)):
                self.delete(key)

    def copy_from(self, other: RunStore, keys: Iterable[Key]) -> None:
        """Copy artifacts of another store."""
        for key in keys:
            self.write(key, other.read(key))
