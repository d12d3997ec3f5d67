"""Image files. The format is recognised by the content and not by the file name: some copies hold JPEGs named .png.

Pillow opens and validates every file. It reads indexed PNGs as indices, and applies neither the gamma chunk nor the
orientation tag, which the labels of these datasets do not follow. libjpeg-turbo decodes JPEGs, and its warnings are
errors: other decoders fill a hole in a file with grey. OpenCV decodes plain PNGs whose checksums are right. Both give
Pillow's pixels in less time.

Nothing is converted by a guess. An image with transparent pixels, with several frames or with 16 bits per channel is an
error, and so is a label file whose indices and grey levels differ.
"""

from __future__ import annotations

import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, ImageFile

from oodbench.errors import DataError
from oodbench.types import RGBImage, Size

_COLOUR_MODES = {"RGB", "RGBA", "L", "LA", "P", "CMYK", "YCbCr"}
_INDEX_MODES = {"1", "L", "P", "I", "I;16"}
# Formats that are found without a known ending. Pillow takes other files, such as PDF or HDF5, for images, too.
_FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "BMP", "TIFF", "PPM", "GIF", "JPEG2000")
_LOSSY = {"JPEG", "MPO", "JPEG2000", "WEBP", "AVIF"}


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
    except Image.DecompressionBombError:
        raise DataError(
            f"{path}: more than {2 * (Image.MAX_IMAGE_PIXELS or 0)} pixels, which is Pillow's limit; expected fewer",
            "Reduce the image, or cut it into parts.",
        ) from None
    # Pillow reports damaged files with all of these.
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise DataError(f"{path}: not an intact image file ({error})", remedy) from None


def _check_regular_file(path: Path) -> None:
    """Check that a path is not a pipe, a socket or a device, which can be read without an end.

    Raises:
        DataError: It is one.
    """
    with suppress(OSError):  # a missing file has its own error
        mode = path.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise DataError(
                f"{path}: a pipe or a device; expected a regular file", "Replace it by the file that is meant."
            )


@contextmanager
def _open_image(path: Path) -> Iterator[ImageFile.ImageFile]:
    _check_regular_file(path)
    with _convert_image_errors(path), Image.open(path) as image:
        yield image


def _decode_plain(
    path: Path, flags: int, modes: Collection[str] = ("RGB", "L"), formats: Collection[str] = ("PNG", "JPEG")
) -> NDArray[np.uint8] | None:
    """Decode a plain PNG or JPEG quickly; return None for every other file."""
    _check_regular_file(path)
    with _convert_image_errors(path):
        # All decoders get the bytes: the file is read once, and OpenCV crashes on a path that is not valid text.
        content = path.read_bytes()
        image = Image.open(BytesIO(content))
        if image.mode not in modes or image.format not in formats or "transparency" in image.info:
            return None
        if image.format == "JPEG":
            return np.asarray(simplejpeg.decode_jpeg(content, "RGB", strict=True), np.uint8)
        if [tile[3] for tile in image.tile] != [image.mode] or _is_animated(image):  # not eight bits per channel
            return None
        image.verify()  # checks checksums and the end of the chunks without decoding
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    return None if pixels is None else np.asarray(pixels, np.uint8)


def _is_animated(image: Image.Image) -> bool:
    """Return whether a file has several frames. A photograph with a preview (MPO) counts as one."""
    return bool(getattr(image, "is_animated", False)) and image.format != "MPO"


def _check_single_frame(path: Path, image: Image.Image) -> None:
    if _is_animated(image):
        raise DataError(f"{path}: an animation; expected one image", "Save the frame that is meant as a PNG.")


def is_image(path: Path) -> bool:
    """Return whether a file begins like an image of a format that can be decoded.

    Args:
        path: The file, with any ending or none.

    Raises:
        PermissionError: The file can't be read.
    """
    Image.init()
    formats = [name for name in _FORMATS if name in Image.OPEN]  # an older Pillow has no AVIF
    try:
        with Image.open(path, formats=formats):
            return True
    except Image.DecompressionBombError:
        return True
    except PermissionError:
        raise
    except (OSError, ValueError, EOFError):
        return False


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
        _check_single_frame(path, image)
        deep = any(isinstance(tile[3], str) and "16" in tile[3] for tile in image.tile)
        if image.mode not in _COLOUR_MODES or deep:
            found = "16 bits per channel" if deep else f"pixels of type {image.mode}"
            raise DataError(
                f"{path}: {found}; expected colour or grey with eight bits per channel", "Convert it to eight bits."
            )
        if image.mode in ("RGBA", "LA") or "transparency" in image.info:
            opacity = np.asarray(image.convert("RGBA"))[:, :, 3]
            if opacity.min() < 255:
                raise DataError(
                    f"{path}: {np.count_nonzero(opacity < 255)} transparent pixels; expected opaque colours",
                    "Save it without transparency, over the background that is meant.",
                )
        return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def read_indices(path: Path) -> NDArray[Any]:
    """Read the integers of a label file, or of another image with one channel or a palette.

    Args:
        path: The image file; its format is recognised by the content.

    Returns:
        Integers [H, W], uint8 for files of eight bits. For an image with a palette, these are its indices.

    Raises:
        DataError: The file is missing, truncated, not an image, in a format with loss, or has colour channels.

    Examples:
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from PIL import Image
        >>> from oodbench.data import read_indices
        >>> Image.fromarray(np.array([[0, 1, 255]], np.uint8)).save("labels.png")
        >>> read_indices(Path("labels.png")).tolist()
        [[0, 1, 255]]
    """
    plain = _decode_plain(path, cv2.IMREAD_UNCHANGED, {"L"}, {"PNG"})
    if plain is not None:
        return plain
    with _open_image(path) as image:
        if image.format in _LOSSY or image.info.get("compression") == "jpeg":
            raise DataError(
                f"{path}: a label file in {image.format}; expected a format that keeps each value, such as PNG",
                "Use the published label files. Label values that a format with loss has changed can't be restored.",
            )
        if image.mode not in _INDEX_MODES:
            raise DataError(
                f"{path}: a label file with pixels of type {image.mode}; expected one channel of integers",
                "Use the label files. Files named '*_color*' are pictures of the labels.",
            )
        _check_single_frame(path, image)
        if image.mode == "1":
            raise DataError(
                f"{path}: a label file with one bit per pixel, where white can mean 1 or 255; expected integers of "
                "eight or sixteen bits",
                "Save the labels as integers, for example numpy's uint8.",
            )
        indices = np.asarray(image)
        if image.mode == "P":
            _check_palette(path, image, indices)
        return indices


def _check_palette(path: Path, image: Image.Image, indices: NDArray[Any]) -> None:
    """Check that no grey level of an indexed file differs from its index, because either could be the label."""
    palette = np.asarray(image.getpalette() or [], np.uint8).reshape(-1, 3)
    used = np.unique(indices)
    used = used[used < len(palette)]
    grey = (palette[used] == palette[used][:, :1]).all(axis=1)
    if len(used) and grey.all() and (palette[used][:, 0] != used).any():
        index = next(int(value) for value in used if palette[value][0] != value)
        raise DataError(
            f"{path}: a label file whose index {index} is the grey level {palette[index][0]}; expected equal ones, or "
            "colours",
            "Save the labels as integers without a palette, for example numpy's uint8.",
        )


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
