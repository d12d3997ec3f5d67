"""A frame's class maps in bands of rows, at the resolution at which a pixel score is computed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from oodbench.numerics.resize import resize_rows
from oodbench.numerics.summary import summarise
from oodbench.types import LogitSummary, Resize, Size

if TYPE_CHECKING:
    from torch import Tensor


class LogitBand:
    """Rows `start` to `stop` of the logits [C, h, w] brought to `size`; implements contracts.ClassMapBand.

    What is asked for is computed once and kept as long as the band lives.
    """

    def __init__(self, logits: Tensor, size: Size, start: int, stop: int, resize: Resize = "bilinear") -> None:
        self._logits = logits
        self._size = size
        self._resize: Resize = resize
        self.start = start
        self.stop = stop

    @cached_property
    def logits(self) -> Tensor:
        """float32 [C, rows, W]."""
        return resize_rows(self._logits, self._size, self.start, self.stop, self._resize)

    @cached_property
    def summary(self) -> LogitSummary:
        """[rows, W] each."""
        return summarise(self._logits, self._size, self.start, self.stop, self._resize)


def row_bands(logits: Tensor, size: Size, rows: int = 128, resize: Resize = "bilinear") -> Iterator[LogitBand]:
    """The bands of `rows` rows, from the top; the last may be shorter."""
    for start in range(0, size[0], rows):
        yield LogitBand(logits, size, start, min(start + rows, size[0]), resize)
