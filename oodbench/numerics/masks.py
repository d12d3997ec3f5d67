"""The masks of a mask classifier in bands of rows, at the resolution at which a score is computed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from oodbench.numerics.resize import resize_rows
from oodbench.types import Resize, Size

if TYPE_CHECKING:
    from torch import Tensor


class MaskBand(NamedTuple):
    """Some rows of the resized mask logits of a mask classifier, as `mask_bands` yields them.

    Attributes:
        start: First row.
        stop: Index of the row after the last row.
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
    """Yield the resized mask logits of a mask classifier in bands of rows, from the top.

    The bands together equal the whole resized tensor bit for bit, but the whole tensor is never in memory. 100 masks of
    1024 x 2048 pixels would take 840 MB; a band of 128 rows takes an eighth of this.

    Args:
        mask_logits: float32 [..., h, w], for example [Q, h, w] for the Q masks of one image
            (`MaskOutput.mask_logits[index]`).
        size: (height, width) to which the masks are resized.
        rows: Number of rows per band; the last band can have fewer.
        resize: Interpolation: `bilinear` with half-pixel centres, or `bilinear-aligned` with aligned corners.

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
