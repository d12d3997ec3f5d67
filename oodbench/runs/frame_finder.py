"""Frames of a stored run on disk, in the recorded folders or in the folders that contain them now."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

from oodbench.contracts import Roots
from oodbench.errors import DataNotFoundError, RunFolderError, UnknownNameError
from oodbench.planning.frame_index import index_frames
from oodbench.planning.records import FrameSetRecord, PlanRecord
from oodbench.planning.request import data_roots
from oodbench.progress import Progress, Silent
from oodbench.registry import Registry
from oodbench.runs.access import RunAccess
from oodbench.types import Frame, FrameSet

DataOption: TypeAlias = Literal["data", "id_data"]
"""The option that names the folders of benchmarks or of in-distribution datasets."""

Found = TypeVar("Found")


class FrameFinder:
    """Finder of the frames of a run. Digests prove that frames on disk are those of the run.

    Frames are searched for in the folders that the user names, then in the recorded ones. If the user names none, they
    are searched for in the recorded folders, then in those of OODBENCH_DATA or of the config file.

    Args:
        record: The plan of the run.
        registry: The registry with the benchmarks and datasets.
        access: The folders that the user names.
    """

    def __init__(self, record: PlanRecord, registry: Registry, access: RunAccess) -> None:
        self._record, self._registry, self._access = record, registry, access
        self._opened: dict[str, FrameSet] = {}
        self._checked: dict[tuple[str, str], Frame] = {}

    def benchmark(self, part: FrameSetRecord) -> FrameSet:
        """Return the frames of a benchmark on disk. They are not compared with those of the run.

        Raises:
            DataNotFoundError: No folder contains the benchmark.
        """
        if part.name not in self._opened:
            self._opened[part.name] = self._open(part, "data", self._registry.benchmark(part.name).open)
        return self._opened[part.name]

    def dataset(self, part: FrameSetRecord) -> Mapping[str, FrameSet]:
        """Return the splits of a dataset on disk. Their frames are not compared with those of the run.

        Raises:
            DataNotFoundError: No folder contains the dataset.
        """
        return self._open(part, "id_data", self._registry.dataset(part.name).open)

    def frame(self, part: FrameSetRecord, identity: str) -> Frame:
        """Return a frame of a benchmark after checking that its image and labels are those of the run.

        Args:
            part: The record of the benchmark.
            identity: The id of the frame.

        Raises:
            UnknownNameError: The run has no frame of that id.
            DataNotFoundError: No folder contains the benchmark.
            RunFolderError: The frame is missing, or its image or labels have changed.
        """
        key = (part.name, identity)
        if key not in self._checked:
            ids = [record.id for record in part.frames]
            if identity not in ids:
                raise UnknownNameError(f"frame of {part.name} in this run", identity, ids)
            (self._checked[key],) = self._check(part, [identity], Silent())
        return self._checked[key]

    def all_checked(self, part: FrameSetRecord, progress: Progress) -> dict[str, Frame]:
        """Return all frames of a benchmark by digest after checking that their images and labels are those of the run.

        Args:
            part: The record of the benchmark.
            progress: Callback for progress messages.

        Raises:
            DataNotFoundError: No folder contains the benchmark.
            RunFolderError: A frame is missing, or its image or labels have changed.
        """
        frames = self._check(part, [record.id for record in part.frames], progress)
        return {record.digest: frame for record, frame in zip(part.frames, frames, strict=True)}

    def _check(self, part: FrameSetRecord, ids: Sequence[str], progress: Progress) -> list[Frame]:
        found = self.benchmark(part)
        by_id, folder = {frame.id: frame for frame in found.frames}, found.folder
        before = f" (the run read {part.folder})" if folder != part.folder else ""
        missing = next((identity for identity in ids if identity not in by_id), None)
        if missing is not None:
            raise RunFolderError(
                f"{folder}: the frame {missing} of {part.name} is missing{before}",
                "Restore the benchmark as it was during the run, or give its folder: --data DIR (data=DIR in Python).",
            )
        frames = [by_id[identity] for identity in ids]
        recorded = {record.id: record for record in part.frames}
        for now in index_frames(frames, part.name, progress):
            if now != recorded[now.id]:
                raise RunFolderError(
                    f"{folder}: the frames or labels of {part.name} have changed since the run; the first is {now.id}"
                    f"{before}",
                    "Restore the benchmark as it was, give its folder (--data DIR; data=DIR in Python), or run again "
                    "with another --out.",
                )
        return frames

    def _open(self, part: FrameSetRecord, option: DataOption, open_in: Callable[[Roots], Found]) -> Found:
        if part.folder is None:  # synthetic frames
            return open_in(self._recorded(option))
        searched: list[Path] = []
        for place in self._places(option):
            roots = _existing(place)
            searched += roots.of(part.name)
            if place.of(part.name) and not roots.of(part.name):
                continue
            try:
                return open_in(roots)
            except DataNotFoundError:
                continue
        others = ", ".join(str(folder) for folder in dict.fromkeys(searched))
        raise DataNotFoundError(
            f"{part.folder}: {part.name} was in this folder during the run and was not found"
            + (f" in {others}" if others else ""),
            f"Give the folder that contains it now: --{option.replace('_', '-')} DIR ({option}=DIR in Python), or "
            "OODBENCH_DATA=DIR.",
        )

    def _places(self, option: DataOption) -> Iterator[Roots]:
        """Yield the folders to search, in order."""
        given = self._access.data if option == "data" else self._access.id_data
        if given is not None:
            yield given
        yield self._recorded(option)
        if given is None:
            benchmarks, datasets = data_roots((), ())
            yield benchmarks if option == "data" else datasets

    def _recorded(self, option: DataOption) -> Roots:
        return (self._record.data if option == "data" else self._record.id_data).roots()


def _existing(roots: Roots) -> Roots:
    named = {name: tuple(filter(os.path.isdir, folders)) for name, folders in roots.named.items()}
    return Roots(tuple(filter(os.path.isdir, roots.anywhere)), named)
