"""Image files. The format is told by the bytes, never by the file's ending: packs circulate with JPEGs named .png.

Pillow, because it refuses a truncated file where other decoders hand out grey pixels, reads indexed PNGs as indices,
and applies neither the gamma chunk nor the orientation tag, which the labels of these data sets don't follow.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oodbench.errors import DataError
from oodbench.types import RGBImage, Size

_COLOUR_MODES = {"RGB", "RGBA", "L", "LA", "P", "CMYK", "YCbCr"}
_INDEX_MODES = {"1", "L", "P", "I", "I;16"}


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    remedy = "Unpack or download this file again."
    try:
        with Image.open(path) as image:
            yield image
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


def image_size(path: Path) -> Size:
    """(height, width), from the header alone."""
    with _opened(path) as image:
        return image.height, image.width


def read_image(path: Path) -> RGBImage:
    """uint8 [H, W, 3], red first.

    Raises:
        DataError: missing, truncated, no image, or deeper than eight bits.
    """
    with _opened(path) as image:
        if image.mode not in _COLOUR_MODES:
            raise DataError(f"{path}: pixels of type {image.mode}; expected eight-bit colour or grey")
        return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def read_indices(path: Path) -> NDArray[Any]:
    """The integers of a single-channel or indexed image: [H, W].

    Raises:
        DataError: missing, truncated, no image, or one with colour channels.
    """
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
