"""Cut-outs to paste: pixels with opacity, and the object's real height."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from oodbench.data import index_images, read_rgba
from oodbench.errors import DataError
from oodbench.types import Size

OPAQUE = 128
"""Opacity, of 255, from which a pixel belongs to the object."""

RIM = 3
"""Pixels around the box that contain the outer half of an object's soft border."""

# Minimum and maximum number of samples per pixel and direction; the minimum avoids aliased outlines.
_FEWEST, _MOST = 4, 16
_METRES = re.compile(r"_(?P<metres>\d+(\.\d+)?)m$")
_USUAL = 1.0


@dataclass(frozen=True)
class Cutout:
    """An object without its background, cropped to its opaque pixels.

    Attributes:
        kind: Kind of the object.
        color: uint8 [h, w, 3].
        alpha: uint8 [h, w], its opacity.
        metres: Height above the ground.
        blur: Blur that its colours already have: standard deviation in its own pixels.
        noise: Noise that its colours already have, in grey levels.
        ground: [3], colour of the ground on which it stood, in grey levels. None if its colours are reflectances with
            255 for white.
        rim: Colours uint8 [h + 2 RIM, w + 2 RIM, 3] and opacity uint8 [h + 2 RIM, w + 2 RIM] including its rim. None if
            its pixels do not come from a camera.
    """

    kind: str
    color: NDArray[np.uint8]
    alpha: NDArray[np.uint8]
    metres: float
    blur: float = 0.0
    noise: float = 0.0
    ground: NDArray[np.float64] | None = None
    rim: tuple[NDArray[np.uint8], NDArray[np.uint8]] | None = None

    @property
    def size(self) -> Size:
        """Return (height, width) in its own pixels."""
        rows, columns = self.alpha.shape
        return int(rows), int(columns)

    def width(self, height: int) -> int:
        """Return its width in pixels if it is `height` pixels high."""
        rows, columns = self.size
        return max(round(height * columns / rows), 1)


@dataclass(frozen=True)
class Layer:
    """A cut-out at the size at which it is pasted.

    Attributes:
        color: float32 [h, w, 3], grey levels; 0 where nothing is opaque.
        alpha: float32 [h, w], 0 to 1.
        inside: bool [h, w], the pixels that belong to the object. Decided in integers, so that it is identical on all
            machines.
    """

    color: NDArray[np.float32]
    alpha: NDArray[np.float32]
    inside: NDArray[np.bool_]


def resize_cutout(cutout: Cutout, size: Size) -> Layer:
    """Resize a cut-out to (height, width). Each pixel is the mean of at least 16 samples, weighted by opacity."""
    samples = min(max(-(-cutout.size[0] // size[0]), _FEWEST), _MOST)
    rows, columns = (
        (2 * np.arange(samples * pixels) + 1) * whole // (2 * samples * pixels)
        for pixels, whole in zip(size, cutout.size, strict=True)
    )
    alpha = cutout.alpha[np.ix_(rows, columns)].astype(np.int32)
    opacity = _sum_blocks(alpha, samples)
    weighted = np.dstack(
        [_sum_blocks(alpha * cutout.color[:, :, channel][np.ix_(rows, columns)], samples) for channel in range(3)]
    )
    return Layer(
        color=(weighted / np.maximum(opacity, 1)[:, :, None]).astype(np.float32),
        alpha=(opacity / (255 * samples**2)).astype(np.float32),
        inside=opacity >= OPAQUE * samples**2,
    )


def _sum_blocks(values: NDArray[np.int32], edge: int) -> NDArray[np.int64]:
    rows, columns = values.shape
    blocks = values.reshape(rows // edge, edge, columns // edge, edge)
    totals: NDArray[np.int64] = blocks.sum(axis=(1, 3), dtype=np.int64)
    return totals


def trim(
    color: NDArray[np.uint8], alpha: NDArray[np.uint8], rim: int = 0
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Crop rows and columns at the borders without opaque pixels, except for `rim` of them."""
    color, alpha = np.pad(color, ((rim, rim), (rim, rim), (0, 0))), np.pad(alpha, rim)
    left, top, width, height = cv2.boundingRect((alpha >= OPAQUE).astype(np.uint8))
    box = np.s_[top - rim : top + height + rim, left - rim : left + width + rim]
    return np.ascontiguousarray(color[box]), np.ascontiguousarray(alpha[box])


def read_cutouts(folder: Path) -> list[tuple[Path, Cutout]]:
    """Read the PNGs with an alpha channel in a folder, sorted by name.

    The object in `goose_0.6m.png` is 0.6 metres high; without such a suffix it is one metre high.

    Raises:
        DataError: There are no images; or one can't be read, has no alpha channel, or is fully transparent or opaque.
    """
    if not folder.is_dir():
        raise DataError(
            f"{folder}: no such folder; expected a folder of cut-outs", "Give another folder with --cutouts."
        )
    files = index_images(folder)
    if not files:
        raise DataError(
            f"{folder}: no images in this folder; expected cut-outs, PNGs with an alpha channel",
            "Give another folder with --cutouts.",
        )
    return [(path, _read_cutout(name, path)) for name, path in files.items()]


def _read_cutout(name: str, path: Path) -> Cutout:
    pixels = read_rgba(path)
    alpha = pixels[:, :, 3]
    if not (alpha >= OPAQUE).any():
        raise DataError(
            f"{path}: every pixel is transparent; expected an opaque object on a transparent background",
            "Save the object with its background transparent.",
        )
    if (alpha >= OPAQUE).all():
        raise DataError(
            f"{path}: every pixel is opaque; expected an object on a transparent background",
            "Make the background transparent.",
        )
    match = _METRES.search(name)
    metres = float(match["metres"]) if match else _USUAL
    if not 0.05 <= metres <= 20:
        raise DataError(f"{path}: its name says {metres:g} metres; expected 0.05 to 20", "Rename the file.")
    return Cutout(name[: match.start()] if match else name, *trim(pixels[:, :, :3], alpha), metres)
