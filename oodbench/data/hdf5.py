"""Score maps in HDF5, as SegmentMeIfYouCan's toolkit stores them: one file per frame with one array `value`.

The layout is that of `ImageBackgroundService` and `Evaluation` in road-anomaly-benchmark (2023-08): float16 [height,
width], gzip level 9, higher = more anomalous. The file name is the frame's id.
"""

from __future__ import annotations

import io
import itertools
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oodbench.data.folders import convert_read_errors
from oodbench.data.trees.archives import check_size
from oodbench.errors import MissingExtraError, ScoreError
from oodbench.files import write_atomically
from oodbench.types import ScoreMap

_KEY = "value"
_COMPRESSION = 9
_STORE_HERE = "Copy the values into the file."
_MOST_NAMES = 5
_MOST_CHUNKS = 1 << 16

# The built-in filters: deflate (gzip), shuffle, a checksum of four bytes, LZF. HDF5 loads others from plugins.
_DEFLATE = 1
_FILTERS = {_DEFLATE, 2, 3, 32000}
_CHECKSUM = 4

# HDF5's messages about a file that was not closed.
_UNFINISHED = ("truncated file", "already open for write", "file signature not found", "bad object header version")


def read_hdf5(path: Path, content: bytes | None = None) -> NDArray[Any]:
    """Read the array `value` of an HDF5 file, in which SegmentMeIfYouCan stores a score map (scores of each pixel).

    Args:
        path: Path of the file.
        content: Content of the file, if it is in an archive; `path` is then its name in the archive. None: the file is
            read from `path`.

    Returns:
        The array in its stored type and native byte order, usually float16 [H, W].

    Raises:
        ScoreError: The file has no array `value` of numbers, is damaged or incomplete, stores the array in another
            file, or needs a filter other than gzip, LZF, shuffle and Fletcher32.
        DataError: The file or the array is larger than 512 MiB, or the file can't be read.
        MissingExtraError: h5py is not installed.

    Examples:
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from oodbench.data import read_hdf5, write_hdf5
        >>> write_hdf5(Path("cow0003.hdf5"), np.float32([[0.5, 1.5]]))
        >>> read_hdf5(Path("cow0003.hdf5"))
        array([[0.5, 1.5]], dtype=float16)
    """
    h5py = _import_h5py()
    if content is None:
        content = _read_content(path)
    check_size(path, "the file", len(content))
    try:
        # In memory, so that locks of other processes, and file systems without locks, have no effect.
        with h5py.File(io.BytesIO(content), "r") as file:
            return _read_array(path, file, h5py)
    # HDF5 reports damage with all of these.
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, MemoryError, zlib.error) as error:
        remedy = "Write or copy it again."
        if any(sign in str(error) for sign in _UNFINISHED):
            remedy = f"If a program still writes it, wait until the file is closed. Otherwise: {remedy}"
        raise ScoreError(f"{path}: not an intact HDF5 file ({error})", remedy) from None


def _read_content(path: Path) -> bytes:
    """Read a file that does not change meanwhile."""
    with convert_read_errors(path):
        if not path.is_file():
            raise ScoreError(f"{path}: not a file; expected an HDF5 file", "Write the scores to this file.")
        before = path.stat()
        check_size(path, "the file", before.st_size)
        content = path.read_bytes()
        after = path.stat()
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or len(content) != after.st_size:
        raise ScoreError(f"{path}: changed while it was read", "Wait until the program that writes it has ended.")
    return content


def _read_array(path: Path, file: Any, h5py: Any) -> NDArray[Any]:
    link = file.get(_KEY, getlink=True)
    if link is not None and not isinstance(link, h5py.HardLink):
        raise ScoreError(f"{path}: '{_KEY}' is a link; expected an array in this file", _STORE_HERE)
    array = file.get(_KEY)
    if not isinstance(array, h5py.Dataset):
        names = ", ".join(itertools.islice(file, _MOST_NAMES)) or "nothing"
        raise ScoreError(
            f"{path}: contains {names}; expected an array '{_KEY}'",
            f"Write the scores under the name '{_KEY}', and close the file.",
        )
    if array.external or array.is_virtual:
        raise ScoreError(f"{path}: '{_KEY}' is stored in other files; expected an array in this file", _STORE_HERE)
    if array.dtype.kind not in "fiub" or array.shape is None:
        what = "no values" if array.shape is None else f"values of the type {array.dtype}"
        raise ScoreError(f"{path}: '{_KEY}' has {what}; expected floats", "Write the scores as floats.")
    check_size(path, f"the array '{_KEY}'", array.nbytes)
    if array.chunks is not None:
        _check_chunks(path, array)
    return np.asarray(array[()]).astype(array.dtype.newbyteorder("="), copy=False)


def _check_chunks(path: Path, array: Any) -> None:
    """Raise if the chunks need a filter from a plugin, or become larger than they state when they are decompressed."""
    properties = array.id.get_create_plist()
    filters = [properties.get_filter(index) for index in range(properties.get_nfilters())]
    codes = [code for code, *_ in filters]
    for code, _, _, name in filters:
        if code not in _FILTERS or codes.count(code) > 1:
            raise ScoreError(
                f"{path}: compressed with filter {code} ({name.decode(errors='replace') or 'unknown'}); expected gzip",
                "Write the scores with gzip, or without compression.",
            )
    size = math.prod(array.chunks) * array.dtype.itemsize
    count = array.id.get_num_chunks()
    if count > _MOST_CHUNKS:
        raise ScoreError(f"{path}: {count:,} chunks; expected at most {_MOST_CHUNKS:,}", "Write larger chunks.")
    check_size(path, f"a chunk of '{_KEY}'", size)
    if _DEFLATE not in codes:
        return
    deflated = 1 << codes.index(_DEFLATE)
    for index in range(count):
        mask, content = array.id.read_direct_chunk(array.id.get_chunk_info(index).chunk_offset)
        if (
            not mask & deflated
            and len(zlib.decompressobj().decompress(content, size + _CHECKSUM + 1)) > size + _CHECKSUM
        ):
            raise ScoreError(
                f"{path}: a chunk of '{_KEY}' has more than the {size:,} bytes that its shape states",
                "Write or copy it again.",
            )


def write_hdf5(path: Path, score: ScoreMap | NDArray[np.float16]) -> None:
    """Write a score map to an HDF5 file as SegmentMeIfYouCan stores it: rounded to float16, under the name `value`.

    Args:
        path: The file to write; an existing file is replaced.
        score: float16 or float32 [H, W], higher = more anomalous.

    Raises:
        ScoreError: A score is not finite, or outside the range of float16, -65504 to 65504.
        MissingExtraError: h5py is not installed.

    Examples:
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from oodbench.data import write_hdf5
        >>> write_hdf5(Path("cow0003.hdf5"), np.zeros((4, 6), np.float32))
        >>> Path("cow0003.hdf5").exists()
        True
    """
    h5py = _import_h5py()
    with np.errstate(over="ignore"):
        half = score.astype(np.float16)
    if not np.isfinite(half).all():
        raise ScoreError(
            f"{path}: scores from {score.min():g} to {score.max():g}; half precision ends at +-65504",
            "Map the scores monotonically to a smaller range first; the metrics stay as they are.",
        )
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file.create_dataset(_KEY, data=half, compression="gzip", compression_opts=_COMPRESSION)
    write_atomically(path, lambda out: out.write(content.getbuffer()))


def _import_h5py() -> Any:
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError("HDF5", "hdf5", error) from None
    return h5py
