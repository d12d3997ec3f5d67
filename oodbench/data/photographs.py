"""Plain photographs: frames without labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from oodbench.data.folders import convert_read_errors
from oodbench.data.labels import file_frame
from oodbench.data.pairing import frame_name, index_images, is_image_file
from oodbench.errors import DataError
from oodbench.types import FrameSet


def open_photographs(source: Path | Sequence[Path]) -> FrameSet:
    """Return image files, and the images in folders but not in their subfolders, as frames without labels.

    The id of a frame is its file name without the ending.

    Args:
        source: Folder or image file, or several of them.

    Returns:
        The frames, in the order of the sources; those of a folder in natural order of their ids (2 before 10).

    Raises:
        DataError: A file is not an image, there is no image, two files have the same name without the ending, or a
            name is not printable text in UTF-8.

    Examples:
        >>> from pathlib import Path
        >>> from PIL import Image
        >>> from oodbench.data import open_photographs
        >>> Image.new("RGB", (6, 4)).save("street.png")
        >>> (frame,) = open_photographs(Path("street.png")).frames
        >>> frame.id, frame.read_image().shape, frame.read_anomaly_labels
        ('street', (4, 6, 3), None)
    """
    sources = [source] if isinstance(source, Path) else list(source)
    files: dict[str, Path] = {}
    for each in sources:
        for name, path in _index(each).items():
            other = files.setdefault(name, path)
            if not other.samefile(path):
                raise DataError(
                    f"{other} and {path} have the same name '{name}', by which outputs are named",
                    "Rename one of the two, or use them one after the other, with another output folder.",
                )
    frames = tuple(file_frame(name, name, path) for name, path in files.items())
    folders = {each if each.is_dir() else each.parent for each in sources}
    return FrameSet(frames, "plain", folders.pop() if len(folders) == 1 else None, len(frames))


def _index(source: Path) -> dict[str, Path]:
    with convert_read_errors(source):
        if not source.exists():
            raise DataError(f"{source} does not exist; expected an image or a folder of images", "Correct the path.")
        if source.is_file() and not is_image_file(source):
            raise DataError(f"{source}: not an image; expected an image or a folder of images", "Correct the path.")
        files = index_images(source) if source.is_dir() else {frame_name(source.stem, source): source}
    if not files:
        raise DataError(
            f"{source}: there are no images in this folder",
            "Give the folder that directly contains the images, or a file.",
        )
    return files
