"""Score maps in HDF5, as SegmentMeIfYouCan's toolkit stores them: one file per frame with one array `value`.

The layout is that of `ImageBackgroundService` and `Evaluation` in road-anomaly-benchmark (2023-08): float16 [height,
width], gzip level 9, higher = more anomalous. The file name is the frame's id.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oodbench.errors import MissingExtraError, ScoreError
from oodbench.files import write_atomically
from oodbench.types import ScoreMap

_KEY = "value"
_COMPRESSION = 9


def read_hdf5(path: Path, content: bytes | None = None) -> NDArray[Any]:
    """Read the array `value` of an HDF5 file, in which SegmentMeIfYouCan stores a score map (scores of each pixel).

    Args:
        path: Path of the file.
        content: Content of the file, if it is in an archive; `path` is then its name in the archive. None: the file is
            read from `path`.

    Returns:
        The array in its stored type, usually float16 [H, W].

    Raises:
        ScoreError: The file has no array `value`, or is damaged.
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
    try:
        with h5py.File(path if content is None else io.BytesIO(content), "r") as file:
            if isinstance(file.get(_KEY), h5py.Dataset):
                return np.asarray(file[_KEY][()])
            names = ", ".join(file) or "nothing"
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise ScoreError(f"{path}: not an intact HDF5 file ({error})", "Write or copy it again.") from None
    raise ScoreError(
        f"{path}: contains {names}; expected an array '{_KEY}'", f"Write the scores under the name '{_KEY}'."
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
