"""Index of frames for planning: size, label counts and content digest, with an on-disk cache."""

from __future__ import annotations

import json
import os
import sqlite3
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import platformdirs

from oodbench.data import check_frame
from oodbench.errors import DataError
from oodbench.files import digest_bytes, digest_file, expand_home
from oodbench.planning.frame_record import FrameRecord
from oodbench.progress import Progress
from oodbench.text import find_id_fault, shorten
from oodbench.threads import open_pool
from oodbench.types import ANOMALY, IN_DISTRIBUTION, VOID, Frame

# Increase when the output or the checks of `_index_frame` change, so that older cache entries are not used.
_VERSION = "2"


def index_frames(frames: Sequence[Frame], name: str, progress: Progress, *, cached: bool = True) -> list[FrameRecord]:
    """Check the images and labels of frames and compute their digests.

    An image must be intact and have the size of its labels. Each label value must be declared.

    Args:
        frames: Frames of one benchmark or of one split of a dataset.
        name: Name of the benchmark or dataset, for messages.
        progress: Callback for progress messages.
        cached: Whether to use cached records of files whose path, size, times and inode are unchanged. False: read all
            files.

    Returns:
        One record per frame, in the order of the frames.

    Raises:
        DataError: A frame is invalid. The error describes the first one and counts the others.
    """
    duplicates = [identity for identity, count in Counter(frame.id for frame in frames).items() if count > 1]
    if duplicates:
        raise DataError(f"{name}: two frames are called {duplicates[0]}", "Give each frame a unique id.")
    for frame in frames:
        for noun, text in (("id", frame.id), ("group", frame.group)):
            if fault := find_id_fault(text) if text or noun == "id" else "":
                where = f" ({frame.image_file.parent})" if frame.image_file else ""
                raise DataError(f"{name}{where}: the {noun} of a frame {shorten(text)} {fault}", "Rename the file.")
    if not frames:
        raise DataError(f"{name}: its folder contains no frames", "Unpack the data again.")
    cache = _Cache()
    records: list[FrameRecord] = []
    problems: list[DataError] = []
    new_records: dict[str, FrameRecord] = {}

    def index(frame: Frame, key: str) -> FrameRecord:
        record = _index_frame(frame)
        if frame.image_file is not None:
            new_records[key] = record
        return record

    try:
        with open_pool() as pool, progress.track(f"check {name}", len(frames), "frames") as advance:
            keys = [_cache_key(frame, name) for frame in frames]
            cached_records = cache.get(keys) if cached else {}
            pending = [
                cached_records.get(key) or pool.submit(index, frame, key)
                for frame, key in zip(frames, keys, strict=True)
            ]
            for item in pending:
                try:
                    records.append(item if isinstance(item, FrameRecord) else item.result())
                    advance(1)
                except DataError as error:
                    problems.append(error)
    finally:  # an interrupted check keeps the records of the frames that it has checked
        cache.put(new_records)
    if problems:
        more = f" ({len(problems) - 1} more frames of {name} are invalid)" if len(problems) > 1 else ""
        raise DataError(problems[0].problem + more, problems[0].remedy)
    return records


def _index_frame(frame: Frame) -> FrameRecord:
    size, labels = check_frame(frame)
    if labels is None:
        pixels = (0, 0, 0)
        parts = ["none"]
    else:
        counts = np.bincount(labels.ravel(), minlength=256)
        void = int(counts[VOID])
        if frame.read_anomaly_labels is not None:
            kind, pixels = "anomaly", (int(counts[IN_DISTRIBUTION]), int(counts[ANOMALY]), void)
        else:
            kind, pixels = "semantic", (labels.size - void, 0, void)
        parts = [kind, digest_bytes(labels.tobytes())]
    # Pixels of a synthetic frame can differ by one grey level between machines: its generator and labels identify it.
    generated = json.dumps([frame.identity, frame.id, parts]).encode()
    identifying_file = frame.image_file if not frame.synthetic else None
    image = digest_file(identifying_file) if identifying_file else digest_bytes(generated)
    if frame.reader_digest:  # an edited reader can decode other pixels from the same file
        image = digest_bytes(f"{image} {frame.reader_digest}".encode())
    return FrameRecord(
        id=frame.id,
        group=frame.group,
        key=digest_bytes(f"{image} {size}".encode())[:20],
        digest=digest_bytes(json.dumps([image, *parts]).encode()),
        height=size[0],
        width=size[1],
        pixels=pixels,
    )


def _cache_key(frame: Frame, name: str) -> str:
    """Return a key that changes if a file changes, or the plugin code that reads it."""
    try:
        stamps = [_stamp(file) for file in (frame.image_file, frame.label_file)]
    except OSError as error:
        raise DataError(
            f"{error.filename}: can't be read ({error.strerror})", "Make the file and its folder readable."
        ) from None
    paths = [str(frame.image_file), str(frame.label_file)]
    return json.dumps([_VERSION, name, frame.id, frame.group, frame.identity, frame.reader_digest, paths, stamps])


def _stamp(file: Path | None) -> tuple[int, ...] | None:
    """Return numbers that change if a file changes.

    A file can be replaced by another one of the same size and modification time, for example by a copy that keeps the
    time. The inode or the time of the last status change, which programs can't set, then differs.
    """
    if file is None or not file.is_file():
        return None
    stat = file.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ino, stat.st_ctime_ns


class _Cache:
    """Cache of frame records in the user's cache folder; in memory if that folder can't be written."""

    def __init__(self) -> None:
        folder = Path(expand_home(os.environ.get("OODBENCH_CACHE") or platformdirs.user_cache_path("oodbench")))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(folder / "frames.sqlite", timeout=30)
            self._database.execute("create table if not exists frames (key text primary key, record text)")
            self._database.execute("select key, record from frames limit 1").fetchone()
        except (OSError, ValueError, sqlite3.Error):
            self._use_memory()

    def _use_memory(self) -> None:
        self._database = sqlite3.connect(":memory:")
        self._database.execute("create table frames (key text primary key, record text)")

    def get(self, keys: Sequence[str]) -> dict[str, FrameRecord]:
        """Return the stored records. A damaged record, or a damaged cache, counts as none."""
        records = {}
        for key in keys:
            try:
                row = self._database.execute("select record from frames where key = ?", (key,)).fetchone()
                if row is not None:
                    records[key] = FrameRecord.model_validate_json(row[0])
            except ValueError:  # the record is from another version, or damaged
                continue
            except (OSError, sqlite3.Error):
                self._use_memory()
        return records

    def put(self, records: dict[str, FrameRecord]) -> None:
        try:
            with self._database:
                rows = [(key, record.model_dump_json()) for key, record in records.items()]
                self._database.executemany("insert or replace into frames values (?, ?)", rows)
        except sqlite3.Error:
            return  # without the cache, the next run only takes longer
