"""Plain photographs: frames without labels."""

from __future__ import annotations

from pathlib import Path

from oodbench.data.folders import convert_read_errors
from oodbench.data.labels import file_frame
from oodbench.data.pairing import frame_name, index_images
from oodbench.errors import DataError
from oodbench.types import FrameSet


def open_photographs(source: Path) -> FrameSet:
    """Return one image file, or the images in a folder but not in its subfolders, as frames without labels.

    The id of a frame is its file name without the ending.

    Args:
        source: Folder or image file.

    Returns:
        The frames, in natural order of their ids (2 before 10).

    Raises:
        DataError: There is no image, two files differ only in their ending, or a name is not printable text in UTF-8.

    Examples:
        >>> from pathlib import Path
        >>> from PIL import Image
        >>> from oodbench.data import open_photographs
        >>> Image.new("RGB", (6, 4)).save("street.png")
        >>> (frame,) = open_photographs(Path("street.png")).frames
        >>> frame.id, frame.read_image().shape, frame.read_anomaly_labels
        ('street', (4, 6, 3), None)
    """
    with convert_read_errors(source):
        if not source.exists():
            raise DataError(f"{source} does not exist; expected an image or a folder of images", "Correct the path.")
        files = index_images(source) if source.is_dir() else {frame_name(source.stem, source): source}
    if not files:
        raise DataError(
            f"{source}: there are no images in this folder",
            "Give the folder that directly contains the images, or a file.",
        )
    frames = tuple(file_frame(name, name, path) for name, path in files.items())
    return FrameSet(frames, "plain", source if source.is_dir() else source.parent, len(frames))
