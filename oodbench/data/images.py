"""Image files. The format is told by the bytes, never by the file's ending: packs circulate with JPEGs named .png.

Pillow opens and judges every file, because it refuses a truncated one where other decoders hand out grey pixels, reads
indexed PNGs as indices, and applies neither the gamma chunk nor the orientation tag, which the labels of these data
sets don't follow. Plain whole files are then decoded by OpenCV: the same pixels in less time.
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
def _explained(path: Path) -> Iterator[None]:
    """What goes wrong with an image file, in words of ours."""
    remedy = "Unpack or download this file again."
    try:
        yield
    except FileNotFoundError:
        raise DataError(f"{path}: no such file", "Check the data set with 'oodbench doctor'.") from None
    except IsADirectoryError:
        raise DataError(f"{path}: this is a folder; expected an image file") from None
    except PermissionError as error:
        raise DataError(f"{path}: {error.strerror}; expected a readable image file") from None
    except DataError:
        raise
    # Pillow reports broken files with all of these, each with a text of its own.
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: not a whole image file ({error})", remedy) from None


@contextmanager
def _opened(path: Path) -> Iterator[ImageFile.ImageFile]:
    with _explained(path), Image.open(path) as image:
        yield image


def _plain(path: Path, flags: int, modes: Collection[str] = ("RGB", "L")) -> NDArray[np.uint8] | None:
    """What OpenCV reads, of a file that is known to be whole and that the two decoders see alike; else None."""
    with _explained(path):
        # Both decoders get these bytes: the file is read once, and OpenCV crashes on a path that is not valid text.
        content = path.read_bytes()
        image = Image.open(BytesIO(content))
        if image.mode not in modes or image.format not in ("PNG", "JPEG"):
            return None
        if image.format == "JPEG":
            if content[-2:] != _END_OF_JPEG:
                return None
        elif [tile[3] for tile in image.tile] == [image.mode]:  # eight bits a channel
            image.verify()  # checksums and end of the chunks; decodes nothing
        else:
            return None
        found = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    return None if found is None else np.asarray(found, np.uint8)


def image_size(path: Path) -> Size:
    """(height, width), from the header alone."""
    with _opened(path) as image:
        return image.height, image.width


def read_image(path: Path) -> RGBImage:
    """uint8 [H, W, 3], red first.

    Raises:
        DataError: missing, truncated, no image, or deeper than eight bits.
    """
    plain = _plain(path, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
    if plain is not None:
        return plain
    with _opened(path) as image:
        if image.mode not in _COLOUR_MODES:
            raise DataError(f"{path}: pixels of type {image.mode}; expected eight-bit colour or grey")
        return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def read_indices(path: Path) -> NDArray[Any]:
    """The integers of a single-channel or indexed image: [H, W].

    Raises:
        DataError: missing, truncated, no image, or one with colour channels.
    """
    plain = _plain(path, cv2.IMREAD_UNCHANGED, {"L"})
    if plain is not None:
        return plain
    with _opened(path) as image:
        if image.mode not in _INDEX_MODES:
            raise DataError(
                f"{path}: a label file with pixels of type {image.mode}; expected one channel of integers",
                "Files named '*_color*' are pictures of the labels, not the labels.",
            )
        return np.asarray(image)


def read_grey16(path: Path) -> NDArray[np.uint16]:
    """uint16 [H, W] of a grey image of sixteen bits.

    Raises:
        DataError: missing, truncated, no image, or of another type.
    """
    with _opened(path) as image:
        if image.mode != "I;16":
            raise DataError(
                f"{path}: pixels of type {image.mode}; expected one channel of sixteen bits",
                "Eight bits are too few for scores: write sixteen, or floats as .npy.",
            )
        return np.asarray(image, np.uint16)


def read_rgba(path: Path) -> NDArray[np.uint8]:
    """uint8 [H, W, 4], red first, opacity last.

    Raises:
        DataError: missing, truncated, no image, or without an alpha channel.
    """
    with _opened(path) as image:
        if image.mode not in ("RGBA", "LA") and "transparency" not in image.info:
            raise DataError(
                f"{path}: pixels of type {image.mode}, without opacity; expected colours with an alpha channel",
                "Save it as a PNG with a transparent ground.",
            )
        return np.asarray(image.convert("RGBA"))
