"""Storage of a run in a folder on disk.

plan.json
digests.jsonl                     the digest of every file of the run that a command reads
fits/<scorer>.safetensors
calibration/<scorer>.npz          quality/<network>.json                  environments/<network>.json
scores/<scorer>/<frame>.npy       predictions/<network>/<frame>.npy       costs/<network>.jsonl
measurements/<scorer>/<frame>.safetensors                                 until the frames are evaluated, as are
chunks/<scorer>/<frames>.safetensors                                      bins/<scorer>-<benchmark>.npz
pictures/<scorer>/<frame>.webp                                            of maps that are not stored
results/<result>.json             sketches/<result>.npz                   breakdowns/<result>.json
result.json
report/                           tables and figures
shards/<i>-of-<n>/                shards, each a folder like this one

`oodbench predict` writes maps/, heatmaps/ and shares.csv, named after the images.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from typing_extensions import override

from oodbench.errors import NotStoredError, RunFolderError
from oodbench.files import cannot_write, is_temporary, remove_leftovers, write_atomically
from oodbench.locked_folders import LOCK, is_locked, lock_folder
from oodbench.planning.shard import Shard
from oodbench.storage.keys import Key, Kind
from oodbench.storage.run_store import RunStore


class _Place(NamedTuple):
    """Location of the artifacts of one kind: a folder and the suffix of the files in it."""

    folder: str
    ending: str


_PLACES: Mapping[Kind, _Place] = {
    Kind.FIT: _Place("fits", ".safetensors"),
    Kind.CALIBRATION: _Place("calibration", ".npz"),
    Kind.QUALITY: _Place("quality", ".json"),
    Kind.ENVIRONMENT: _Place("environments", ".json"),
    Kind.COST: _Place("costs", ".jsonl"),
    Kind.FAILURE: _Place("failures", ".json"),
    Kind.SCORE: _Place("scores", ".npy"),
    Kind.PREDICTION: _Place("predictions", ".npy"),
    Kind.MEASUREMENT: _Place("measurements", ".safetensors"),
    Kind.PICTURE: _Place("pictures", ".webp"),
    Kind.CHUNK: _Place("chunks", ".safetensors"),
    Kind.BINS: _Place("bins", ".npz"),
    Kind.RESULT: _Place("results", ".json"),
    Kind.SKETCH: _Place("sketches", ".npz"),
    Kind.BREAKDOWN: _Place("breakdowns", ".json"),
    Kind.IMAGE_SCORE: _Place("maps", ".npy"),
    Kind.IMAGE_HEATMAP: _Place("heatmaps", ".png"),
}
_FILES: Mapping[Kind, str] = {
    Kind.PLAN: "plan.json",
    Kind.DIGESTS: "digests.jsonl",
    Kind.RESULTS_FILE: "result.json",
    Kind.IMAGE_SHARES: "shares.csv",
}
_REPORTS, _SHARDS = "report", "shards"


class LocalStore(RunStore):
    """Store in a folder. Files of other programs in it are never read, changed or removed.

    Args:
        folder: The folder of a run.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.location = str(self.folder)
        self.reports = self.folder / _REPORTS
        self.image_scores = self.folder / _PLACES[Kind.IMAGE_SCORE].folder

    def path(self, key: Key) -> Path:
        """Return the path of an artifact, which need not exist."""
        if key.kind in _FILES:
            return self.folder / _FILES[key.kind]
        place = _PLACES[key.kind]
        *folders, name = key.parts
        return self.folder.joinpath(place.folder, *folders, f"{name}{place.ending}")

    @override
    def shard(self, shard: Shard) -> LocalStore:
        return LocalStore(self.folder / _SHARDS / shard.folder)

    @override
    def shards(self) -> Sequence[LocalStore]:
        return [LocalStore(folder) for folder in sorted((self.folder / _SHARDS).glob("[!.]*"))]

    @override
    def read(self, key: Key, count: int | None = None) -> bytearray:
        path = self.path(key)
        try:
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                data = bytearray(size if count is None else min(count, size))
                file.readinto(data)
                return data
        except (FileNotFoundError, NotADirectoryError):
            raise NotStoredError(
                f"{path}: not stored, because it was not computed or not kept",
                "Run again with --keep-scores all.",
            ) from None
        except OSError as error:
            raise RunFolderError(f"{path}: can't be read ({error.strerror})", "Check the disk.") from None

    @override
    def write(self, key: Key, *parts: bytes | bytearray | memoryview) -> None:
        write_atomically(self.path(key), lambda file: file.writelines(parts))

    @override
    def append(self, key: Key, data: bytes) -> None:
        path = self.path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.write(data)
        except OSError as error:
            raise cannot_write(path, error) from error

    @override
    def size(self, key: Key) -> int | None:
        path = self.path(key)
        with suppress(FileNotFoundError):  # another process may remove it at the same time
            return path.stat().st_size if path.is_file() else None
        return None

    @override
    def delete(self, key: Key) -> None:
        self.path(key).unlink(missing_ok=True)

    @override
    def keys(self, kind: Kind) -> Iterator[Key]:
        if kind in _FILES:
            if (self.folder / _FILES[kind]).is_file():
                yield Key(kind)
            return
        place = _PLACES[kind]
        root = self.folder / place.folder
        for path in sorted(root.rglob(f"[!.]*{place.ending}")):
            if path.is_file():
                yield Key(kind, path.relative_to(root).with_name(path.name.removesuffix(place.ending)).parts)

    @contextmanager
    @override
    def lock(self) -> Iterator[None]:
        """Lock the folder for this process. The lock is released when the process ends, even after a crash."""
        with lock_folder(self.folder):
            self._remove_leftovers()
            yield

    @override
    def name(self, key: Key) -> str:
        return str(self.path(key))

    @override
    def is_same(self, other: RunStore, key: Key) -> bool:
        """Return whether both stores have the same content; hard links to one file are not read."""
        linked = isinstance(other, LocalStore) and self.path(key).samefile(other.path(key))
        return linked or super().is_same(other, key)

    @override
    def clear(self) -> None:
        for name in (*(place.folder for place in _PLACES.values()), _REPORTS):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        for name in _FILES.values():
            (self.folder / name).unlink(missing_ok=True)

    @override
    def copy_from(self, other: RunStore, keys: Iterable[Key]) -> None:
        """Copy artifacts from another store, as hard links if both are on the same disk."""
        for key in keys:
            try:
                if not isinstance(other, LocalStore):
                    raise OSError
                self.path(key).parent.mkdir(parents=True, exist_ok=True)
                self.path(key).hardlink_to(other.path(key))
            except OSError:  # another disk, or a file system without hard links
                self.write(key, other.read(key))

    @override
    def is_locked(self) -> bool | None:
        return is_locked(self.folder)

    @override
    def is_foreign(self) -> bool:
        """Return whether the folder contains files, but neither a run nor shards."""
        ours = (_FILES[Kind.PLAN], _FILES[Kind.DIGESTS])
        if not self.folder.exists() or any((self.folder / name).is_file() for name in ours):
            return False
        return any(path.name not in (LOCK, _SHARDS) and not is_temporary(path) for path in self.folder.iterdir())

    def _remove_leftovers(self) -> None:
        """Remove what killed processes left in the folders of this store. Shards clean up after themselves."""
        remove_leftovers(self.folder)
        for name in (*(place.folder for place in _PLACES.values()), _REPORTS):
            remove_leftovers(self.folder / name)
            for folder in (self.folder / name).glob("*/"):
                remove_leftovers(folder)

    @override
    def check_writable(self) -> None:
        parent = self._existing_parent()
        if not parent.is_dir() or not os.access(parent, os.W_OK):
            raise RunFolderError(f"{parent}: can't be written", "Choose a writable folder with --out.")

    @override
    def free_bytes(self) -> int:
        """Return the free space on the folder's disk."""
        return shutil.disk_usage(self._existing_parent()).free

    def _existing_parent(self) -> Path:
        """Return the folder, or its nearest parent that exists."""
        return next(parent for parent in (self.folder, *self.folder.absolute().parents) if parent.exists())
