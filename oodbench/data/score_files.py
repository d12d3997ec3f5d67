"""Score maps written by other code: one file per frame, found by the frame's id.

Formats: `<id>.npy`, `<id>.npz` with one array, `<id>.hdf5` or `<id>.h5` (oodbench.data.hdf5), all with floats; or
`<id>.png` with 16 bits. An id with slashes corresponds to subfolders.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from oodbench.data.hdf5 import read_hdf5
from oodbench.data.images import read_grey16
from oodbench.data.trees.archives import check_size
from oodbench.data.trees.walking import normalize_name, walk_files
from oodbench.errors import ScoreError
from oodbench.threads import READING_NUMPY_FILE
from oodbench.types import ScoreMap

_PNG = ".png"


@dataclass(frozen=True)
class ScoreFiles:
    """The files with score maps (anomaly scores of each pixel) in a folder, as `find_scores` returns them.

    Attributes:
        files: Maps the id of each frame to the file of its score map.
        others: Maps the name of each file that matches no frame to the file, sorted by name.

    Examples:
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from oodbench.data import find_scores
        >>> for name in ("0", "extra"):
        ...     np.save(f"{name}.npy", np.zeros((4, 6), np.float32))
        >>> found = find_scores(Path(), ["0"])
        >>> list(found.files), list(found.others)
        (['0'], ['extra'])
    """

    files: Mapping[str, Path]
    others: Mapping[str, Path]


def find_scores(folder: Path, ids: Sequence[str]) -> ScoreFiles:
    """Find the file with the score map of each frame in a folder.

    The file `ID.npy`, `ID.npz`, `ID.hdf5`, `ID.h5` or `ID.png` contains the anomaly scores of the frame with this id.
    If the id contains slashes, the file is in subfolders.

    Args:
        folder: Folder with the files.
        ids: Ids of the frames.

    Returns:
        The file of each frame, and the files that match no frame.

    Raises:
        ScoreError: The folder does not exist, or a frame has no file or several files.

    Examples:
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from oodbench.data import find_scores
        >>> Path("scores").mkdir()
        >>> np.save("scores/0.npy", np.zeros((4, 6), np.float32))
        >>> find_scores(Path("scores"), ["0"]).files["0"].as_posix()
        'scores/0.npy'
    """
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise ScoreError(f"{folder} {what}; expected a folder of score maps, one file per frame", "Correct the path.")
    found: dict[str, Path] = {}
    names = {name: normalize_name(name) for name in ids}
    wanted = set(names.values())
    for path in _list_score_files(folder):
        name = normalize_name(path.relative_to(folder).as_posix().removesuffix(path.suffix))
        other = found.setdefault(name, path)
        if other != path and name in wanted:
            raise ScoreError(f"{name} has two files: {other} and {path.name}", "Keep one of the two in the folder.")
    absent = [name for name in ids if names[name] not in found]
    if absent:
        raise _make_missing_error(folder, absent, len(ids), found)
    others = {name: path for name, path in found.items() if name not in wanted}
    return ScoreFiles({name: found[names[name]] for name in ids}, others)


def _list_score_files(folder: Path) -> list[Path]:
    """Return files with a known ending at any depth, sorted and without hidden files."""
    try:
        return [path for path in walk_files(folder) if path.suffix.lower() in _READERS]
    except OSError as error:
        raise ScoreError(
            f"{error.filename or folder}: can't be read ({error.strerror})", "Make the folder readable."
        ) from None


def _make_missing_error(folder: Path, absent: Sequence[str], count: int, found: Mapping[str, Path]) -> ScoreError:
    first = absent[0]
    elsewhere = next((path for name, path in found.items() if name.endswith(f"/{first}")), None)
    if len(absent) < count:
        remedy = "Write the missing files, or evaluate only some of the frames: --frames, --limit."
    elif elsewhere is not None:
        remedy = f"Give the folder in which the names are the ids. There is {elsewhere}."
    elif found:
        remedy = f"Name each file by its frame's id. There is, for example, {next(iter(found.values()))}."
    else:
        remedy = "Give another folder. This one contains no score maps."
    return ScoreError(
        f"{folder}: {len(absent)} of {count} frames have no score map. The first is {first}; expected "
        f"{first}.{{{','.join(ending[1:] for ending in _READERS)}}}",
        remedy,
    )


def read_scores(path: Path) -> ScoreMap:
    """Read a score map (the anomaly score of each pixel). The sign of the scores is not changed.

    Args:
        path: A file `.npy`, `.npz` with one array, `.hdf5` or `.h5`, all with floats; or a `.png` with 16 bits.

    Returns:
        float32 [h, w]. The scores in a 16-bit PNG are its integers.

    Raises:
        ScoreError: The file is truncated, contains no two-dimensional array of floats, or has a value that is not
            finite.
        DataError: A PNG is damaged or does not have 16 bits.
        MissingExtraError: The file is HDF5 and h5py is not installed.

    Examples:
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from oodbench.data import read_scores
        >>> np.save("0.npy", np.array([[0.5, 1.5]]))
        >>> read_scores(Path("0.npy"))
        array([[0.5, 1.5]], dtype=float32)
    """
    values = _READERS[path.suffix.lower()](path)
    if path.suffix.lower() != _PNG and not (values.dtype.kind == "f" and values.dtype.itemsize <= 8):
        raise ScoreError(
            f"{path}: contains {values.dtype}; expected float16, float32 or float64",
            "Write the scores as floats, or as a 16-bit PNG. Integers are usually classes or labels.",
        )
    if values.ndim != 2 or not values.size:
        raise ScoreError(
            f"{path}: an array of shape {values.shape}; expected [height, width]", "Write one map per file."
        )
    with np.errstate(over="ignore"):
        score = np.array(values, np.float32, order="C")
    broken = score.size - int(np.count_nonzero(np.isfinite(score)))
    if broken:
        raise ScoreError(
            f"{path}: {broken} of {score.size} scores are NaN, infinite or beyond float32",
            "Check for logarithms of zero and divisions by zero, and write the map again.",
        )
    return score


def _read_npy(path: Path) -> NDArray[Any]:
    def mapped() -> NDArray[Any]:
        check_size(path, "the file", path.stat().st_size)
        with READING_NUMPY_FILE:
            values: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        return values

    return _convert_array_errors(path, mapped)


def read_array(path: Path, content: bytes) -> NDArray[Any]:
    """Read an array from the content of a .npy file, for example of a file in an archive.

    Args:
        path: Name of the file, for the error message.
        content: Content of the file.

    Returns:
        The array in its stored type and shape.

    Raises:
        ScoreError: The content is damaged, or contains Python objects.

    Examples:
        >>> import io
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from oodbench.data import read_array
        >>> file = io.BytesIO()
        >>> np.save(file, np.array([[1, 2]], np.uint8))
        >>> read_array(Path("0.npy"), file.getvalue())
        array([[1, 2]], dtype=uint8)
    """
    return _convert_array_errors(path, lambda: np.lib.format.read_array(io.BytesIO(content), allow_pickle=False))


def _read_npz(path: Path) -> NDArray[Any]:
    def only() -> NDArray[Any]:
        # Opened here because numpy leaves the file open if the archive is damaged.
        with path.open("rb") as file, READING_NUMPY_FILE, np.load(file, allow_pickle=False) as arrays:
            if len(arrays.files) == 1:
                check_size(path, "the array", arrays.zip.infolist()[0].file_size)
                return np.asarray(arrays[arrays.files[0]])
            names = ", ".join(arrays.files) or "none"
        raise ScoreError(f"{path}: arrays {names}; expected one", "Write one map per file.")

    return _convert_array_errors(path, only)


def _convert_array_errors(path: Path, read: Callable[[], NDArray[Any]]) -> NDArray[Any]:
    """Call `read` and convert numpy's errors for damaged files and pickled objects to ScoreError."""
    try:
        return read()
    except (OSError, ValueError, EOFError, BadZipFile, AttributeError, TypeError, MemoryError) as error:
        raise ScoreError(
            f"{path}: not an intact array of numbers ({error})", "Write or copy the file again, without Python objects."
        ) from None


_READERS: Mapping[str, Callable[[Path], NDArray[Any]]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".hdf5": read_hdf5,
    ".h5": read_hdf5,
    _PNG: read_grey16,
}
