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
    """Rows `start` to `stop` of class maps [C, h, w] resized to `size`; an implementation of `contracts.ClassMapBand`.

    Class maps that are not logits are resized first, and the logarithm is taken afterwards. Each property is computed
    on first use and cached.
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
        """Return the logits of the rows, float32 [C, rows, W]."""
        maps = resize_rows(self._maps, self._size, self.start, self.stop, self._resize)
        return ClassMaps(maps, self._kind).logits

    @cached_property
    def summary(self) -> LogitSummary:
        """Return the summary of the rows, [rows, W] per field."""
        return summarise(self._maps, self._size, self.start, self.stop, self._resize, self._kind)


def iter_row_bands(
    maps: Tensor, size: Size, rows: int = 128, resize: Resize = "bilinear", kind: MapKind = "logits"
) -> Iterator[Band]:
    """Yield bands of `rows` rows from the top; the last band may be shorter.

    Args:
        maps: float32 [C, h, w], the class maps.
        size: (height, width) of the scored map.
        rows: Number of rows per band.
        resize: Interpolation.
        kind: Kind of the class maps.
    """
    for start in range(0, size[0], rows):
        yield Band(maps, size, start, min(start + rows, size[0]), resize, kind)
