"""Score maps that somebody's own code has written: a file a frame, found by the frame's id.

`<id>.npy`, `<id>.npz` with one array, `<id>.hdf5` or `<id>.h5` (oodbench.data.hdf5), all of floats; or `<id>.png` of
16 bits. An id that holds slashes lies in folders.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from oodbench.data.hdf5 import read_hdf5
from oodbench.data.images import read_grey16
from oodbench.errors import ScoreError
from oodbench.types import ScoreMap

_PNG = ".png"


@dataclass(frozen=True)
class ScoreFiles:
    """The score maps of a set of frames.

    Attributes:
        files: id of a frame -> its file, for every frame.
        others: what would be a frame's id -> a file that fits none of the frames, in order of their names.
    """

    files: Mapping[str, Path]
    others: Mapping[str, Path]


def find_scores(folder: Path, ids: Sequence[str]) -> ScoreFiles:
    """The file of each frame: its path in the folder, without its ending, is the frame's id.

    Raises:
        ScoreError: a frame has no file, or two; or there is no such folder.
    """
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise ScoreError(f"{folder} {what}; expected a folder of score maps, a file a frame")
    found: dict[str, Path] = {}
    wanted = set(ids)
    for path in _listed(folder):
        name = path.relative_to(folder).as_posix().removesuffix(path.suffix)
        other = found.setdefault(name, path)
        if other != path and name in wanted:
            raise ScoreError(f"{name} has two files: {other} and {path.name}", "Keep one of the two in the folder.")
    absent = [name for name in ids if name not in found]
    if absent:
        raise _absent(folder, absent, len(ids), found)
    others = {name: path for name, path in found.items() if name not in wanted}
    return ScoreFiles({name: found[name] for name in ids}, others)


def _listed(folder: Path) -> list[Path]:
    """Files of a known ending at any depth, in order; hidden ones left out."""
    inside = [Path(where) / name for where, _, names in os.walk(folder) for name in names if not name.startswith(".")]
    return sorted(path for path in inside if path.suffix.lower() in _READERS)


def _absent(folder: Path, absent: Sequence[str], count: int, found: Mapping[str, Path]) -> ScoreError:
    first = absent[0]
    elsewhere = next((path for name, path in found.items() if name.endswith(f"/{first}")), None)
    if elsewhere is not None:
        remedy = f"There is {elsewhere}: give the folder in which the names are the ids."
    elif found:
        remedy = f"Name each file by its frame's id; there is, for example, {next(iter(found.values()))}."
    else:
        remedy = "It holds no score maps at all."
    return ScoreError(
        f"{folder}: {len(absent)} of {count} frames have no score map; the first is {first}; looked for "
        f"{first}.{{{','.join(ending[1:] for ending in _READERS)}}}",
        remedy,
    )


def read_scores(path: Path) -> ScoreMap:
    """float32 [h, w] as in the file, whichever way is anomalous; of a 16-bit PNG its integers.

    Raises:
        ScoreError: truncated, not a map of floats, or not finite.
        MissingExtraError: it is HDF5, and h5py is not installed.
    """
    values = _READERS[path.suffix.lower()](path)
    if path.suffix.lower() != _PNG and not (values.dtype.kind == "f" and values.dtype.itemsize <= 8):
        raise ScoreError(
            f"{path}: holds {values.dtype}; expected float16, float32 or float64",
            "Integers are classes or labels more often than scores: write the scores as floats, or as a 16-bit PNG.",
        )
    if values.ndim != 2 or not values.size:
        raise ScoreError(f"{path}: an array of shape {values.shape}; expected [height, width]", "Write one map a file.")
    with np.errstate(over="ignore"):
        score = np.array(values, np.float32, order="C")
    broken = score.size - int(np.count_nonzero(np.isfinite(score)))
    if broken:
        raise ScoreError(
            f"{path}: {broken} of {score.size} scores are NaN, infinite or beyond float32",
            "Look for the logarithm or the division that can't bear zero, and write the map again.",
        )
    return score


def _read_npy(path: Path) -> NDArray[Any]:
    return _whole(path, lambda: np.load(path, mmap_mode="r", allow_pickle=False))


def read_array(path: Path, content: bytes) -> NDArray[Any]:
    """The array of a .npy file, as it is stored.

    Args:
        path: its name.
        content: of the file.

    Raises:
        ScoreError: it is not whole, or holds objects.
    """
    return _whole(path, lambda: np.asarray(np.load(io.BytesIO(content), allow_pickle=False)))


def _read_npz(path: Path) -> NDArray[Any]:
    def only() -> NDArray[Any]:
        # Opened here: numpy leaves the file open where the archive is damaged.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            if len(arrays.files) == 1:
                return np.asarray(arrays[arrays.files[0]])
            names = ", ".join(arrays.files) or "none"
        raise ScoreError(f"{path}: arrays {names}; expected one", "Write one map a file.")

    return _whole(path, only)


def _whole(path: Path, read: Callable[[], NDArray[Any]]) -> NDArray[Any]:
    """numpy says of a damaged file all of these; of pickled objects ValueError."""
    try:
        return read()
    except (OSError, ValueError, EOFError, BadZipFile, AttributeError, TypeError) as error:
        raise ScoreError(
            f"{path}: not a whole array of numbers ({error})", "Write or copy it again, without objects in it."
        ) from None


_READERS: Mapping[str, Callable[[Path], NDArray[Any]]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".hdf5": read_hdf5,
    ".h5": read_hdf5,
    _PNG: read_grey16,
}
