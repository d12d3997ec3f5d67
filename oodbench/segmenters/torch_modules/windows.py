"""Windows of an image: where they lie, and what many of them say of one pixel, averaged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from torch.nn import functional

from oodbench.numerics import sample_bilinear, taps_at
from oodbench.types import Size

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


class Box(NamedTuple):
    """A part of an image, in pixels."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True)
class Windowing:
    """Windows of `size`, `stride` apart, both (height, width) in pixels; the last of a row ends with the image."""

    size: Size
    stride: Size

    def boxes(self, image: Size) -> list[Box]:
        """Those that cover an image, where MMSegmentation has them; none is larger than the image."""
        (tops, height), (lefts, width) = (_starts(*sides) for sides in zip(image, self.size, self.stride, strict=True))
        return [Box(top, left, height, width) for top in tops for left in lefts]

    def __str__(self) -> str:
        size, stride = (f"{height}x{width}" for height, width in (self.size, self.stride))
        return f"windows of {size} every {stride} pixels"


def average_on_pixels(parts: Iterable[tuple[Box, Tensor]], size: Size, align_corners: bool) -> Tensor:
    """Maps of windows, each brought to its window's pixels and averaged there, as MMSegmentation does.

    Args:
        parts: windows, and maps [N, C, h, w] that span them.
        size: (height, width) of the image; what of a window lies beyond it is left out.
        align_corners: how maps are brought there.

    Returns:
        [N, C, height, width].
    """

    def part(box: Box, maps: Tensor) -> tuple[slice, slice, Tensor]:
        full = functional.interpolate(maps, (box.height, box.width), mode="bilinear", align_corners=align_corners)
        rows, columns = (slice(start, start + length) for start, length in (box[::2], box[1::2]))
        return rows, columns, full[..., : size[0] - box.top, : size[1] - box.left]

    return _average(parts, size, part)


def average_on_grid(parts: Sequence[tuple[Box, Tensor]], size: Size) -> Tensor:
    """Maps of windows, averaged on a grid as fine as theirs over the whole image.

    A window that starts between two cells of that grid is read there bilinearly; one that starts with a cell is taken
    as it is.

    Args:
        parts: windows, and maps [N, D, h, w] that span them.
        size: (height, width) of the image; what of a window lies beyond it is left out.

    Returns:
        [N, D, rows, columns] that span the image.
    """
    box, maps = parts[0]
    shape = (
        max(1, round(size[0] * maps.shape[-2] / box.height)),
        max(1, round(size[1] * maps.shape[-1] / box.width)),
    )

    def part(box: Box, maps: Tensor) -> tuple[slice, slice, Tensor]:
        rows, at_rows = _inside(shape[0], size[0], box.top, box.height, maps.shape[-2])
        columns, at_columns = _inside(shape[1], size[1], box.left, box.width, maps.shape[-1])
        return (
            rows,
            columns,
            sample_bilinear(maps, taps_at(at_rows, maps.shape[-2]), taps_at(at_columns, maps.shape[-1])),
        )

    return _average(parts, shape, part)


def _inside(cells: int, length: int, start: int, window: int, own: int) -> tuple[slice, NDArray[np.float64]]:
    """Which of the image's cells have their centre in the window, and where these lie among the window's own cells."""
    centre = (np.arange(cells, dtype=np.float64) + 0.5) * (length / cells)  # in pixels of the image
    inside = np.flatnonzero((centre >= start) & (centre < start + window))
    where = (centre[inside] - start) * (own / window) - 0.5
    return slice(int(inside[0]), int(inside[-1]) + 1), where


def _average(
    parts: Iterable[tuple[Box, Tensor]], shape: Size, part: Callable[[Box, Tensor], tuple[slice, slice, Tensor]]
) -> Tensor:
    total = count = None
    for box, maps in parts:
        rows, columns, values = part(box, maps)
        if total is None or count is None:
            total, count = maps.new_zeros((*maps.shape[:2], *shape)), maps.new_zeros(shape)
        total[..., rows, columns] += values
        count[rows, columns] += 1
    assert total is not None, "there is a window"
    assert count is not None, "and it has a size"
    return total / count


def _starts(length: int, window: int, stride: int) -> tuple[list[int], int]:
    """Where windows start along one side, and how long they are."""
    window = min(window, length)
    count = -(-(length - window) // stride) + 1
    return [min(index * stride, length - window) for index in range(count)], window
