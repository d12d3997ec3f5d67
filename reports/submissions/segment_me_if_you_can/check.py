"""Problems of a tree or an archive of HDF5 files for SegmentMeIfYouCan."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from oodbench.contracts import SIDE_FILE, KnownFrame
from oodbench.data import Tree, read_hdf5
from oodbench.data.tracks import TRACKS, Track
from oodbench.errors import DataError, ScoreError
from oodbench.reports.submissions.segment_me_if_you_can.entry import ENTRY, find_entry_problems
from oodbench.types import Size

ENDING = ".hdf5"


def index_score_files(tree: Tree) -> dict[str, list[str]]:
    """Index the score files of the tree: frame id -> names."""
    files: dict[str, list[str]] = defaultdict(list)
    for name in tree.names:
        if name.endswith(ENDING):
            files[PurePosixPath(name).name.removesuffix(ENDING)].append(name)
    return dict(files)


def describe_missing_parts(track: Track, ids: Sequence[str]) -> list[str]:
    """Describe the parts of a track with an unexpected number of frames."""
    descriptions = []
    for part in track.parts:
        count = sum(track.part_of(name) is part for name in ids)
        if count not in part.counts:
            descriptions.append(f"{count} {part.name} frames; expected {' or '.join(map(str, part.counts))}")
    return descriptions


def find_problems(tree: Tree, frames: Sequence[KnownFrame]) -> Iterator[str]:
    """Yield one line per problem.

    Args:
        tree: Tree to check.
        frames: Expected frames with their sizes. Validation frames may be missing.
    """
    files = index_score_files(tree)
    yield from _find_strays(tree)
    if not files:
        yield f"{tree.path}: no file <frame>{ENDING}. Write one file per frame."
    known = {frame.id: frame.size for frame in frames}
    for track in TRACKS:
        ours = [name for name in files if track.part_of(name)]
        wanted = [name for name in known if track.part_of(name)]
        if not ours:
            continue
        for description in describe_missing_parts(track, ours):
            yield f"{tree.path}: {track.name} has {description}."
        absent = [name for name in wanted if name not in files and track.part_of(name) is not track.part("validation")]
        yield from (f"{tree.path}: {track.name}: {name}{ENDING} is missing. Score that frame." for name in absent)
        values: set[float] = set()
        for name in ours:
            yield from _check_place(files[name], track)
            if wanted and name not in known:
                yield f"{files[name][0]}: no frame of {track.name} is called {name}. Remove it."
                continue
            yield from _check_content(tree, files[name][0], known.get(name), track, values)
        if len(values) == 1:
            yield f"{tree.path}: all scores of {track.name} are {values.pop():g}; expected different ones."
    for name, names in files.items():
        if not any(track.part_of(name) for track in TRACKS):
            yield f"{names[0]}: no frame of either track is called {name}. Name each file by its frame's id."


def _find_strays(tree: Tree) -> Iterator[str]:
    for name in tree.names:
        path = PurePosixPath(name)
        beside = tree.path.is_dir() and len(path.parts) == 1
        if beside and name == ENTRY:
            yield from find_entry_problems(name, tree.read(name))
        elif not (name.endswith(ENDING) or (beside and (name == SIDE_FILE or path.suffix == ".zip"))):
            yield f"{name}: not part of a submission. Remove it."


def _check_place(there: Sequence[str], track: Track) -> Iterator[str]:
    if len(there) > 1:
        yield f"{there[0]}: {there[1]} has the same frame. Keep one of the two."
    folder = PurePosixPath(there[0]).parent.name
    if folder != track.folder and folder in {other.folder for other in TRACKS}:
        yield f"{there[0]}: a frame of {track.name}; expected in {track.folder}/. Move it there."


def _check_content(tree: Tree, name: str, size: Size | None, track: Track, values: set[float]) -> Iterator[str]:
    try:
        score = read_hdf5(Path(name), tree.read(name))
    except (DataError, ScoreError) as error:
        yield " ".join(filter(None, (f"{error.problem}.", error.remedy)))
        return
    if score.dtype != np.float16:
        yield f"{name}: contains {score.dtype}; expected float16. Write the scores in half precision."
    sizes = (size,) if size else track.sizes
    if score.shape not in sizes:
        expected = " or ".join(map(str, sizes))
        yield f"{name}: {score.shape}; expected {expected}, the size of the image. Resize the scores."
    if score.dtype.kind != "f" or not score.size:
        return
    wide = score.astype(np.float32)
    broken = int(np.count_nonzero(~np.isfinite(wide)))
    if broken:
        yield f"{name}: {broken} of {score.size} scores are NaN or infinite; expected finite ones. Write it again."
    elif len(values) < 2:
        values |= {float(wide.min()), float(wide.max())}
