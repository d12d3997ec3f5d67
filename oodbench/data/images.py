"""Image files. The format is recognised by the content and not by the file name: some copies hold JPEGs named .png.

Pillow opens and validates every file. It rejects a truncated file, for which other decoders return grey pixels. It
reads indexed PNGs as indices, and applies neither the gamma chunk nor the orientation tag, which the labels of these
datasets do not follow. OpenCV then decodes plain intact files: it gives the same pixels in less time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from oodbench.errors import DataError
from oodbench.types import RGBImage, Size

_COLOUR_MODES = {"RGB", "RGBA", "L", "LA", "P", "CMYK", "YCbCr"}
_END_OF_JPEG = b"\xff\xd9"
_INDEX_MODES = {"1", "L", "P", "I", "I;16"}


@contextmanager
def _convert_image_errors(path: Path) -> Iterator[None]:
    """Convert errors raised while an image is read to DataError."""
    remedy = "Unpack or download this file again."
    try:
        yield
    except FileNotFoundError:
        raise DataError(f"{path}: no such file", "Check the data with 'oodbench doctor'.") from None
    except IsADirectoryError:
        raise DataError(f"{path}: this is a folder; expected an image file", remedy) from None
    except PermissionError as error:
        raise DataError(
            f"{path}: {error.strerror}; expected a readable image file", "Make the file readable."
        ) from None
    except DataError:
        raise
    # Pillow reports damaged files with all of these.
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: not an intact image file ({error})", remedy) from None


@contextmanager
def _open_image(path: Path) -> Iterator[ImageFile.ImageFile]:
    with _convert_image_errors(path), Image.open(path) as image:
        yield image


def _decode_plain(path: Path, flags: int, modes: Collection[str] = ("RGB", "L")) -> NDArray[np.uint8] | None:
    """Decode a file with OpenCV if it is intact and both decoders agree on its format; return None otherwise."""
    with _convert_image_errors(path):
        # Both decoders get the bytes: the file is read once, and OpenCV crashes on a path that is not valid text.
        content = path.read_bytes()
        image = Image.open(BytesIO(content))
        if image.mode not in modes or image.format not in ("PNG", "JPEG"):
            return None
        if image.format == "JPEG":
            if content[-2:] != _END_OF_JPEG:
                return None
        elif [tile[3] for tile in image.tile] == [image.mode]:  # eight bits per channel
            image.verify()  # checks checksums and the end of the chunks without decoding
        else:
            return None
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    return None if pixels is None else np.asarray(pixels, np.uint8)


def read_image_size(path: Path) -> Size:
    """Read the size of an image from the header of its file.

    Args:
        path: The image file; its format is recognised by the content.

    Returns:
        (height, width) in pixels.

    Raises:
        DataError: The file is missing or not an image.

    Examples:
        >>> from pathlib import Path
        >>> from PIL import Image
        >>> from oodbench.data import read_image_size
        >>> Image.new("RGB", (6, 4)).save("frame.png")
        >>> read_image_size(Path("frame.png"))
        (4, 6)
    """
    with _open_image(path) as image:
        return image.height, image.width


def read_image(path: Path) -> RGBImage:
    """Read an image as RGB.

    The gamma chunk of a PNG and the orientation tag of a JPEG are ignored, because the labels do not follow them.

    Args:
        path: The image file; its format is recognised by the content.

    Returns:
        uint8 [H, W, 3], red first.

    Raises:
        DataError: The file is missing, truncated, not an image, or has more than eight bits per channel.

    Examples:
        >>> from pathlib import Path
        >>> from PIL import Image
        >>> from oodbench.data import read_image
        >>> Image.new("RGB", (6, 4), "red").save("frame.png")
        >>> image = read_image(Path("frame.png"))
        >>> image.shape, image[0, 0].tolist()
        ((4, 6, 3), [255, 0, 0])
    """
    plain = _decode_plain(path, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
    if plain is not None:
        return plain
    with _open_image(path) as image:
        if image.mode not in _COLOUR_MODES:
            raise DataError(
                f"{path}: pixels of type {image.mode}; expected eight-bit colour or grey",
                "Convert the image to eight-bit RGB.",
            )
        return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def read_indices(path: Path) -> NDArray[Any]:
    """Read the integers of a label file, or of another image with one channel or a palette.

    Args:
        path: The image file; its format is recognised by the content.

    Returns:
        Integers [H, W], uint8 for files of eight bits. For an image with a palette, these are its indices.

    Raises:
        DataError: The file is missing, truncated, not an image, or has colour channels.

    Examples:
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from PIL import Image
        >>> from oodbench.data import read_indices
        >>> Image.fromarray(np.array([[0, 1, 255]], np.uint8)).save("labels.png")
        >>> read_indices(Path("labels.png")).tolist()
        [[0, 1, 255]]
    """
    plain = _decode_plain(path, cv2.IMREAD_UNCHANGED, {"L"})
    if plain is not None:
        return plain
    with _open_image(path) as image:
        if image.mode not in _INDEX_MODES:
            raise DataError(
                f"{path}: a label file with pixels of type {image.mode}; expected one channel of integers",
                "Use the label files. Files named '*_color*' are pictures of the labels.",
            )
        return np.asarray(image)


def read_grey16(path: Path) -> NDArray[np.uint16]:
    """Read a grey image with 16 bits per pixel.

    Args:
        path: The image file.

    Returns:
        uint16 [H, W].

    Raises:
        DataError: The file is missing, truncated, not an image, or of another type.

    Examples:
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from PIL import Image
        >>> from oodbench.data import read_grey16
        >>> Image.fromarray(np.array([[0, 65535]], np.uint16)).save("scores.png")
        >>> read_grey16(Path("scores.png")).tolist()
        [[0, 65535]]
    """
    with _open_image(path) as image:
        if image.mode != "I;16":
            raise DataError(
                f"{path}: pixels of type {image.mode}; expected one channel of sixteen bits",
                "Write the scores with sixteen bits, or as floats in a .npy file.",
            )
        return np.asarray(image, np.uint16)


def read_rgba(path: Path) -> NDArray[np.uint8]:
    """Read an image with an alpha channel (opacity).

    Args:
        path: The image file.

    Returns:
        uint8 [H, W, 4], red first, opacity last (0 transparent, 255 opaque).

    Raises:
        DataError: The file is missing, truncated, not an image, or without an alpha channel.

    Examples:
        >>> from pathlib import Path
        >>> from PIL import Image
        >>> from oodbench.data import read_rgba
        >>> Image.new("RGBA", (6, 4), (255, 0, 0, 128)).save("cutout.png")
        >>> read_rgba(Path("cutout.png"))[0, 0].tolist()
        [255, 0, 0, 128]
    """
    with _open_image(path) as image:
        if image.mode not in ("RGBA", "LA") and "transparency" not in image.info:
            raise DataError(
                f"{path}: pixels of type {image.mode}; expected colours with an alpha channel",
                "Save it as a PNG with a transparent background.",
            )
        return np.asarray(image.convert("RGBA"))
