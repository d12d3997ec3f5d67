"""Class maps of one frame in bands of rows, at the resolution at which a pixel score is computed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from oodbench.numerics.resize import resize_rows
from oodbench.numerics.summary import summarise
from oodbench.types import ClassMaps, LogitSummary, MapKind, Resize, Size

if TYPE_CHECKING:
    from torch import Tensor


class Band:
    """Some rows of resized class maps (the maps of logits or posteriors of one frame, one per class).

    `Band` implements `contracts.ClassMapBand`. If the class maps are not logits, they are resized, and then their
    logarithms are computed. Each property is computed on first use and kept.

    Args:
        maps: float32 [C, h, w], the class maps of one frame.
        size: (H, W) to which the maps are resized.
        start: First row, from 0 to H - 1.
        stop: Index of the row after the last row.
        resize: Interpolation: `bilinear` with half-pixel centres, or `bilinear-aligned` with aligned corners.
        kind: Kind of the class maps: `logits`, `posteriors` or `sums` (unnormalised class scores).

    Attributes:
        start: First row.
        stop: Index of the row after the last row.

    Examples:
        >>> import torch
        >>> from oodbench.numerics import Band
        >>> band = Band(torch.zeros(19, 4, 6), (8, 12), start=2, stop=5)
        >>> list(band.logits.shape), list(band.summary.best.shape)
        ([19, 3, 12], [3, 12])
    """

    def __init__(
        self, maps: Tensor, size: Size, start: int, stop: int, resize: Resize = "bilinear", kind: MapKind = "logits"
    ) -> None:
        self._maps = maps
        self._size = size
        self._resize: Resize = resize
        self._kind: MapKind = kind
        self.start = start
        self.stop = stop

    @cached_property
    def logits(self) -> Tensor:
        """The logits of the rows, float32 [C, rows, W]."""
        maps = resize_rows(self._maps, self._size, self.start, self.stop, self._resize)
        return ClassMaps(maps, self._kind).logits

    @cached_property
    def summary(self) -> LogitSummary:
        """The largest logit, the predicted class and two sums of each pixel, [rows, W] each."""
        return summarise(self._maps, self._size, self.start, self.stop, self._resize, self._kind)


def iter_row_bands(
    maps: Tensor, size: Size, rows: int = 128, resize: Resize = "bilinear", kind: MapKind = "logits"
) -> Iterator[Band]:
    """Yield resized class maps (one map of logits or posteriors per class) in bands of rows, from the top.

    Args:
        maps: float32 [C, h, w], the class maps of one frame.
        size: (height, width) to which the maps are resized.
        rows: Number of rows per band; the last band can have fewer.
        resize: Interpolation: `bilinear` with half-pixel centres, or `bilinear-aligned` with aligned corners.
        kind: Kind of the class maps: `logits`, `posteriors` or `sums` (unnormalised class scores).

    Yields:
        The bands, from the top.

    Examples:
        >>> import torch
        >>> from oodbench.numerics import iter_row_bands
        >>> [(band.start, band.stop) for band in iter_row_bands(torch.zeros(19, 4, 6), (300, 400))]
        [(0, 128), (128, 256), (256, 300)]
    """
    for start in range(0, size[0], rows):
        yield Band(maps, size, start, min(start + rows, size[0]), resize, kind)
