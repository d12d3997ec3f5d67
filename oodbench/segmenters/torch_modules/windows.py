"""Sliding windows of an image, and the average of maps where windows overlap."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from torch.nn import functional
from typing_extensions import override

from oodbench.numerics import sample_bilinear, taps_at
from oodbench.types import Size

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


class Box(NamedTuple):
    """A rectangle of an image, in pixels."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True)
class Windowing:
    """Sliding windows.

    Attributes:
        size: Size (height, width) of a window, in pixels.
        stride: Distance (height, width) between neighbouring windows, in pixels. The last window of a row or column is
            moved back to end at the image's border.
    """

    size: Size
    stride: Size

    def boxes(self, image: Size) -> list[Box]:
        """Return the windows that cover an image, as in MMSegmentation. No window is larger than the image."""
        (tops, height), (lefts, width) = (
            _find_starts(*sides) for sides in zip(image, self.size, self.stride, strict=True)
        )
        return [Box(top, left, height, width) for top in tops for left in lefts]

    @override
    def __str__(self) -> str:
        size, stride = (f"{height}x{width}" for height, width in (self.size, self.stride))
        return f"windows of {size} every {stride} pixels"


def average_on_pixels(parts: Iterable[tuple[Box, Tensor]], size: Size, align_corners: bool) -> Tensor:
    """Resize the maps of each window to the window's pixels and average them, as MMSegmentation does.

    Args:
        parts: Windows, and the maps [N, C, h, w] that cover each.
        size: Size (height, width) of the image. The parts of windows outside the image are ignored.
        align_corners: Whether to resize with aligned corners.

    Returns:
        Averaged maps [N, C, height, width].
    """

    def part(box: Box, maps: Tensor) -> tuple[slice, slice, Tensor]:
        full = functional.interpolate(maps, (box.height, box.width), mode="bilinear", align_corners=align_corners)
        rows, columns = (slice(start, start + length) for start, length in (box[::2], box[1::2]))
        return rows, columns, full[..., : size[0] - box.top, : size[1] - box.left]

    return _average(parts, size, part)


def average_on_grid(parts: Sequence[tuple[Box, Tensor]], size: Size) -> Tensor:
    """Average the maps of windows on a grid of the whole image with the resolution of the maps.

    The maps of a window that starts between two cells of this grid are interpolated bilinearly. The maps of a window
    that starts at a cell are used unchanged.

    Args:
        parts: Windows, and the maps [N, D, h, w] that cover each.
        size: Size (height, width) of the image. The parts of windows outside the image are ignored.

    Returns:
        Averaged maps [N, D, rows, columns] that cover the image.
    """
    box, maps = parts[0]
    shape = (
        max(1, round(size[0] * maps.shape[-2] / box.height)),
        max(1, round(size[1] * maps.shape[-1] / box.width)),
    )

    def part(box: Box, maps: Tensor) -> tuple[slice, slice, Tensor]:
        rows, at_rows = _find_cells(shape[0], size[0], box.top, box.height, maps.shape[-2])
        columns, at_columns = _find_cells(shape[1], size[1], box.left, box.width, maps.shape[-1])
        return (
            rows,
            columns,
            sample_bilinear(maps, taps_at(at_rows, maps.shape[-2]), taps_at(at_columns, maps.shape[-1])),
        )

    return _average(parts, shape, part)


def _find_cells(cells: int, length: int, start: int, window: int, own: int) -> tuple[slice, NDArray[np.float64]]:
    """Find the cells of the image's grid with their centre in a window, along one side.

    Args:
        cells: Number of cells of the image's grid.
        length: Length of the image, in pixels.
        start: Start of the window, in pixels.
        window: Length of the window, in pixels.
        own: Number of cells of the window's grid.

    Returns:
        The cells of the image's grid, and their coordinates in the window's grid.
    """
    centre = (np.arange(cells, dtype=np.float64) + 0.5) * (length / cells)  # in pixels of the image
    inside = np.flatnonzero((centre >= start) & (centre < start + window))
    coordinates = (centre[inside] - start) * (own / window) - 0.5
    return slice(int(inside[0]), int(inside[-1]) + 1), coordinates


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
    assert total is not None, "there is at least one window"
    assert count is not None, "total and count are set together"
    return total / count


def _find_starts(length: int, window: int, stride: int) -> tuple[list[int], int]:
    """Return the starts of the windows along one side, and their length."""
    window = min(window, length)
    count = -(-(length - window) // stride) + 1
    return [min(index * stride, length - window) for index in range(count)], window
