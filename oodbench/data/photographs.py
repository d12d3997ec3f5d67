"""Plain photographs: frames without labels."""

from __future__ import annotations

from pathlib import Path

from oodbench.data.labels import file_frame
from oodbench.data.pairing import images_by_stem
from oodbench.errors import DataError
from oodbench.types import FrameSet


def photographs(source: Path) -> FrameSet:
    """The images that lie in a folder, not those in folders under it; or the one image that `source` is.

    A frame's id is the file's name without its ending.

    Raises:
        DataError: there is none, or two differ only in their ending.
    """
    if not source.exists():
        raise DataError(f"{source} does not exist; expected an image or a folder of images")
    files = images_by_stem(source) if source.is_dir() else {source.stem: source}
    if not files:
        raise DataError(
            f"{source}: no image lies in this folder", "Give the folder in which the images lie themselves, or a file."
        )
    frames = tuple(file_frame(name, name, path) for name, path in files.items())
    return FrameSet(frames, "plain", source if source.is_dir() else source.parent, len(frames))
