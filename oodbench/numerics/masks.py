"""The masks of a mask classifier in bands of rows, at the resolution at which a score is computed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from oodbench.numerics.resize import resize_rows
from oodbench.types import Resize, Size

if TYPE_CHECKING:
    from torch import Tensor


class MaskBand(NamedTuple):
    """A band of rows of resized mask logits.

    Attributes:
        start: First row of the band.
        stop: Row after the last one.
        mask_logits: float32 [..., stop - start, W].

    Examples:
        >>> import torch
        >>> from oodbench.numerics import mask_bands
        >>> band = next(mask_bands(torch.zeros(5, 4, 8), (9, 16)))
        >>> band.start, band.stop, list(band.mask_logits.shape)
        (0, 9, [5, 9, 16])
    """

    start: int
    stop: int
    mask_logits: Tensor


def mask_bands(mask_logits: Tensor, size: Size, rows: int = 128, resize: Resize = "bilinear") -> Iterator[MaskBand]:
    """Yield mask logits at `size` in bands of rows, from the top.

    The bands together are bit for bit the whole resized tensor, which is never in memory. 100 masks of 1024 x 2048
    pixels would take 840 MB; a band of 128 rows takes an eighth of that.

    Args:
        mask_logits: float32 [..., h, w], as [Q, h, w] of one image (`MaskOutput.mask_logits[index]`).
        size: (height, width) to resize to.
        rows: Number of rows per band; the last band may have fewer.
        resize: Interpolation; `contracts.Scoring` describes each kind.

    Yields:
        The bands, from the top.

    Examples:
        >>> import torch
        >>> from oodbench.numerics import mask_bands
        >>> bands = mask_bands(torch.zeros(5, 4, 8), (9, 16), rows=6)
        >>> [(band.start, band.stop, list(band.mask_logits.shape)) for band in bands]
        [(0, 6, [5, 6, 16]), (6, 9, [5, 3, 16])]
    """
    for start in range(0, size[0], rows):
        stop = min(start + rows, size[0])
        yield MaskBand(start, stop, resize_rows(mask_logits, size, start, stop, resize))
