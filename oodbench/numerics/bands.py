"""A frame's class maps in bands of rows, at the resolution at which a pixel score is computed."""

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
    """Rows `start` to `stop` of class maps [C, h, w] brought to `size`; implements contracts.ClassMapBand.

    Class maps that are no logits are brought to `size` as they are, and their logarithm is taken there. What is asked
    for is computed once and kept as long as the band lives.
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
        """float32 [C, rows, W]."""
        maps = resize_rows(self._maps, self._size, self.start, self.stop, self._resize)
        return ClassMaps(maps, self._kind).logits

    @cached_property
    def summary(self) -> LogitSummary:
        """[rows, W] each."""
        return summarise(self._maps, self._size, self.start, self.stop, self._resize, self._kind)


def row_bands(
    maps: Tensor, size: Size, rows: int = 128, resize: Resize = "bilinear", kind: MapKind = "logits"
) -> Iterator[Band]:
    """The bands of `rows` rows, from the top; the last may be shorter."""
    for start in range(0, size[0], rows):
        yield Band(maps, size, start, min(start + rows, size[0]), resize, kind)
