"""Interface of a store for the artifacts of a run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from oodbench.errors import RunFolderError
from oodbench.planning.shard import Shard
from oodbench.storage.keys import Key, Kind

REPAIR = "Restore the file, or remove it and repeat the command that made the run."
"""Remedy for a damaged artifact, which any command can find. Only the command that made the run writes it again."""

REEVALUATE = "Restore the file, or remove it and run 'oodbench evaluate' on the run."
"""Remedy for a damaged part of a result: the command that made the run keeps a result that exists."""


class RunStore(ABC):
    """Store of artifacts as bytes under keys. `RunArtifacts` converts the bytes to objects.

    The methods after `copy_from` have defaults for a store that keeps only artifacts: it has no folders for files, no
    shards and no limit of its size.

    Attributes:
        location: Location of the store, for messages and for `open_store`.
        reports: Folder for tables and figures; None: the store has none.
        image_scores: Folder of the score maps of `oodbench predict`; None: the store has none.
    """

    location: str
    reports: Path | None = None
    image_scores: Path | None = None

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

    def shard(self, shard: Shard) -> RunStore:
        """Return the store of a shard of this run.

        Raises:
            RunFolderError: The store has no shards.
        """
        raise RunFolderError(
            f"{self.location}: this store has no shards, so it can't store shard {shard.index} of {shard.count}",
            "Use --out with a folder.",
        )

    def shards(self) -> Sequence[RunStore]:
        """Return the stores of all shards that are stored."""
        return ()

    def is_locked(self) -> bool | None:
        """Return whether a process has locked the store; None if that is unknown."""
        return None

    def is_foreign(self) -> bool:
        """Return whether the location contains something other than a run and its shards."""
        return False

    def check_writable(self) -> None:
        """Check that the store can be written, without writing anything.

        Raises:
            RunFolderError: The store can't be written.
        """
        return

    def free_bytes(self) -> int | None:
        """Return the free space for artifacts in bytes; None if it is unknown."""
        return None
