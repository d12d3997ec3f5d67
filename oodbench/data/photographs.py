"""Plain photographs: frames without labels."""

from __future__ import annotations

from pathlib import Path

from oodbench.data.labels import file_frame
from oodbench.data.pairing import index_images
from oodbench.errors import DataError
from oodbench.types import FrameSet


def open_photographs(source: Path) -> FrameSet:
    """Open the images in a folder, without its subfolders, or one image file. Frame ids are the file names without
    ending.

    Args:
        source: Folder or image file.

    Raises:
        DataError: There is no image, or two files differ only in their ending.
    """
    if not source.exists():
        raise DataError(f"{source} does not exist; expected an image or a folder of images", "Correct the path.")
    files = index_images(source) if source.is_dir() else {source.stem: source}
    if not files:
        raise DataError(
            f"{source}: there are no images in this folder",
            "Give the folder that directly contains the images, or a file.",
        )
    frames = tuple(file_frame(name, name, path) for name, path in files.items())
    return FrameSet(frames, "plain", source if source.is_dir() else source.parent, len(frames))
