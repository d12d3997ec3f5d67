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
    """Read (height, width) from the header of an image file."""
    with _open_image(path) as image:
        return image.height, image.width


def read_image(path: Path) -> RGBImage:
    """Read an image, uint8 [H, W, 3], red first.

    Raises:
        DataError: The file is missing, truncated, not an image, or deeper than eight bits per channel.
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
    """Read the integers [H, W] of a single-channel or indexed image.

    Raises:
        DataError: The file is missing, truncated, not an image, or has colour channels.
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
    """Read a grey image of 16 bits, uint16 [H, W].

    Raises:
        DataError: The file is missing, truncated, not an image, or of another type.
    """
    with _open_image(path) as image:
        if image.mode != "I;16":
            raise DataError(
                f"{path}: pixels of type {image.mode}; expected one channel of sixteen bits",
                "Write the scores with sixteen bits, or as floats in a .npy file.",
            )
        return np.asarray(image, np.uint16)


def read_rgba(path: Path) -> NDArray[np.uint8]:
    """Read an image with opacity, uint8 [H, W, 4], red first, opacity last.

    Raises:
        DataError: The file is missing, truncated, not an image, or without an alpha channel.
    """
    with _open_image(path) as image:
        if image.mode not in ("RGBA", "LA") and "transparency" not in image.info:
            raise DataError(
                f"{path}: pixels of type {image.mode}; expected colours with an alpha channel",
                "Save it as a PNG with a transparent background.",
            )
        return np.asarray(image.convert("RGBA"))
