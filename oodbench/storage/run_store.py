"""Interface of a store for the artifacts of a run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager

from oodbench.storage.keys import Key, Kind


class RunStore(ABC):
    """Store of artifacts as bytes under keys. `RunArtifacts` converts the bytes to objects.

    Attributes:
        location: Location for messages: the path of a folder.
    """

    location: str

    @abstractmethod
    def read(self, key: Key, count: int | None = None) -> bytearray:
        """Return the content of an artifact, or its first `count` bytes.

        Raises:
            NotStoredError: There is no such artifact.
            RunFolderError: The artifact can't be read.
        """

    @abstractmethod
    def write(self, key: Key, *parts: bytes | bytearray | memoryview) -> None:
        """Create or replace an artifact atomically: after a crash it has its old or its new content.

        Args:
            key: The artifact.
            parts: Its content, in order. Several parts save the copy into one.

        Raises:
            RunFolderError: The artifact can't be written.
        """

    @abstractmethod
    def append(self, key: Key, data: bytes) -> None:
        """Append bytes to an artifact. After a crash, a part of them can be stored.

        Raises:
            RunFolderError: The artifact can't be written.
        """

    @abstractmethod
    def size(self, key: Key) -> int | None:
        """Return the size of an artifact in bytes; None if there is none."""

    @abstractmethod
    def delete(self, key: Key) -> None:
        """Remove an artifact if it exists."""

    @abstractmethod
    def keys(self, kind: Kind) -> Iterator[Key]:
        """Yield the keys of all artifacts of one kind, sorted."""

    @abstractmethod
    def lock(self) -> AbstractContextManager[None]:
        """Lock the store for this process.

        Raises:
            RunFolderError: Another process has the lock, or the store can't be written.
        """

    @abstractmethod
    def name(self, key: Key) -> str:
        """Return the name of an artifact for messages: the path of a file."""

    def has(self, key: Key) -> bool:
        """Return whether an artifact exists."""
        return self.size(key) is not None

    def is_same(self, other: RunStore, key: Key) -> bool:
        """Return whether this store and another one have the same content under a key."""
        return self.size(key) == other.size(key) and self.read(key) == other.read(key)

    def clear(self) -> None:
        """Remove every artifact."""
        for kind in Kind:
            for key in list(self.keys(kind)):
                self.delete(key)

    def copy_from(self, other: RunStore, keys: Iterable[Key]) -> None:
        """Copy artifacts from another store."""
        for key in keys:
            self.write(key, other.read(key))
