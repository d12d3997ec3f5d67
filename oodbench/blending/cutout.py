"""What is pasted: pixels with their opacity, and how tall the thing is in the world."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from oodbench.data import images_by_stem, read_rgba
from oodbench.errors import DataError
from oodbench.types import Size

OPAQUE = 128
"""Opacity, of 255, from which on a pixel belongs to the thing."""

RIM = 3
"""Pixels around its box in which the outer half of a thing's border lies."""

# Samples a pixel and direction: each cut-out is made of that many at least, so that its outline has no stairs.
_FEWEST, _MOST = 4, 16
_METRES = re.compile(r"_(?P<metres>\d+(\.\d+)?)m$")
_USUAL = 1.0


@dataclass(frozen=True)
class Cutout:
    """A thing without its background, trimmed to its opaque pixels.

    Attributes:
        kind: what it is.
        color: uint8 [h, w, 3].
        alpha: uint8 [h, w], its opacity.
        metres: from the ground to its top.
        blur: how soft its colours are already: standard deviation in its own pixels.
        noise: that its colours have already, in grey levels.
        ground: [3], the colour of the ground that it stood on, in grey levels; None where its colours are those of
            plain light, 255 being white.
        rim: its colours and its opacity, uint8 [h + 2 RIM, w + 2 RIM, 3] and [h + 2 RIM, w + 2 RIM]; None where they
            are not those that a camera gave it.
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
        """(height, width) of its own pixels."""
        rows, columns = self.alpha.shape
        return int(rows), int(columns)

    def width(self, height: int) -> int:
        """Its width in pixels where it is `height` tall."""
        rows, columns = self.size
        return max(round(height * columns / rows), 1)


@dataclass(frozen=True)
class Layer:
    """A cut-out at the size at which it is pasted.

    Attributes:
        color: float32 [h, w, 3], grey levels; 0 where nothing is opaque.
        alpha: float32 [h, w], 0 to 1.
        inside: bool [h, w], the pixels that belong to the thing. The same on every machine: integers decide.
    """

    color: NDArray[np.float32]
    alpha: NDArray[np.float32]
    inside: NDArray[np.bool_]


def sized(cutout: Cutout, size: Size) -> Layer:
    """The cut-out at (height, width): each pixel the mean of 16 samples and more, weighted by their opacity."""
    samples = min(max(-(-cutout.size[0] // size[0]), _FEWEST), _MOST)
    rows, columns = (
        (2 * np.arange(samples * pixels) + 1) * whole // (2 * samples * pixels)
        for pixels, whole in zip(size, cutout.size, strict=True)
    )
    alpha = cutout.alpha[np.ix_(rows, columns)].astype(np.int32)
    opacity = _block_sums(alpha, samples)
    weighted = np.dstack(
        [_block_sums(alpha * cutout.color[:, :, channel][np.ix_(rows, columns)], samples) for channel in range(3)]
    )
    return Layer(
        color=(weighted / np.maximum(opacity, 1)[:, :, None]).astype(np.float32),
        alpha=(opacity / (255 * samples**2)).astype(np.float32),
        inside=opacity >= OPAQUE * samples**2,
    )


def _block_sums(values: NDArray[np.int32], edge: int) -> NDArray[np.int64]:
    rows, columns = values.shape
    blocks = values.reshape(rows // edge, edge, columns // edge, edge)
    sums: NDArray[np.int64] = blocks.sum(axis=(1, 3), dtype=np.int64)
    return sums


def trimmed(
    color: NDArray[np.uint8], alpha: NDArray[np.uint8], rim: int = 0
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Both without the rows and columns at their borders where nothing belongs to the thing, but for `rim` of them."""
    color, alpha = np.pad(color, ((rim, rim), (rim, rim), (0, 0))), np.pad(alpha, rim)
    left, top, width, height = cv2.boundingRect((alpha >= OPAQUE).astype(np.uint8))
    box = np.s_[top - rim : top + height + rim, left - rim : left + width + rim]
    return np.ascontiguousarray(color[box]), np.ascontiguousarray(alpha[box])


def read_cutouts(folder: Path) -> list[tuple[Path, Cutout]]:
    """The PNGs with an alpha channel that lie in a folder, in the order of their names.

    `goose_0.6m.png` is 0.6 metres tall; without such an ending it is one metre.

    Raises:
        DataError: there is none; one can't be read, has no alpha channel, or is transparent all over.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; expected the one with the cut-outs")
    files = images_by_stem(folder)
    if not files:
        raise DataError(f"{folder}: no image lies in this folder", "Expected cut-outs: PNGs with an alpha channel.")
    return [(path, _read_cutout(name, path)) for name, path in files.items()]


def _read_cutout(name: str, path: Path) -> Cutout:
    pixels = read_rgba(path)
    alpha = pixels[:, :, 3]
    if not (alpha >= OPAQUE).any():
        raise DataError(f"{path}: transparent all over", "Expected a thing that is opaque on a ground that is not.")
    if (alpha >= OPAQUE).all():
        raise DataError(
            f"{path}: opaque all over, so that nothing is cut out", "Make what is not the thing transparent."
        )
    match = _METRES.search(name)
    metres = float(match["metres"]) if match else _USUAL
    if not 0.05 <= metres <= 20:
        raise DataError(f"{path}: its name says {metres:g} metres; expected 0.05 to 20", "Rename it.")
    return Cutout(name[: match.start()] if match else name, *trimmed(pixels[:, :, :3], alpha), metres)
