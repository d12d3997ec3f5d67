"""The index of frames: its cache, and an interruption."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

from oodbench.planning.frame_index import index_frames
from oodbench.planning.frame_record import FrameRecord
from oodbench.progress import Silent
from oodbench.types import AnomalyLabels, Frame
from tests.helpers.files import photograph, save


class Reads:
    """Frames that count how often they are read."""

    def __init__(self, folder: Path, count: int) -> None:
        self.count = 0
        self.frames = [self._make_frame(folder / f"{index}.png", index) for index in range(count)]

    def _make_frame(self, file: Path, index: int) -> Frame:
        image = photograph(index)
        save(file, image)
        size = image.shape[:2]

        def read_image() -> np.ndarray:
            self.count += 1
            return image

        labels = AnomalyLabels(np.zeros(size, np.uint8))
        return Frame(
            file.stem, "", read_size=lambda: size, read_image=read_image, read_anomaly_labels=lambda: labels,
            image_file=file, label_file=file,
        )  # fmt: skip


class Interrupted(Silent):
    """Progress that is interrupted after three frames."""

    @contextmanager
    def track(self, title: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        left = iter(range(2))

        def advance(_: int) -> None:
            if next(left, None) is None:
                raise KeyboardInterrupt

        yield advance


def index(reads: Reads) -> list[FrameRecord]:
    return index_frames(reads.frames, "set", Silent())


def test_checked_frames_are_not_read_again(tmp_path: Path) -> None:
    reads = Reads(tmp_path, 4)
    first = index(reads)
    assert reads.count == 4
    assert index(reads) == first
    assert reads.count == 4


@pytest.mark.parametrize("replace_file", [Path.write_bytes, "move"])
def test_a_file_of_equal_size_and_time_is_read_again(
    tmp_path: Path, replace_file: Callable[[Path, bytes], object] | str
) -> None:
    reads = Reads(tmp_path, 2)
    index(reads)
    file = reads.frames[1].image_file
    assert file is not None
    before, content = file.stat(), file.read_bytes()
    if isinstance(replace_file, str):
        other = tmp_path / "other.png"
        other.write_bytes(content)
        other.replace(file)
    else:
        replace_file(file, content)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    index(reads)
    assert reads.count == 3


def test_an_interrupted_check_ends_soon_and_keeps_what_it_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    reads = Reads(tmp_path, 200)
    with pytest.raises(KeyboardInterrupt):
        index_frames(reads.frames, "set", Interrupted())
    checked = reads.count
    assert 3 <= checked < 200
    index(reads)
    assert reads.count == 200


@pytest.mark.parametrize("damage", ["pages", "records", "no database"])
def test_a_damaged_cache_only_costs_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    monkeypatch.setenv("OODBENCH_CACHE", str(tmp_path / "cache"))
    reads = Reads(tmp_path, 60)
    first = index(reads)
    file = tmp_path / "cache" / "frames.sqlite"
    if damage == "records":
        with closing(sqlite3.connect(file)) as database, database:
            database.execute("update frames set record = '{}'")
    else:
        content = file.read_bytes()
        start = 4096 if damage == "pages" else 0
        file.write_bytes(content[:start] + np.random.default_rng(0).bytes(len(content) - start))
    assert index(reads) == first
    assert reads.count == 2 * len(first)
