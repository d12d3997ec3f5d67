"""Arithmetic that many methods share."""

from oodbench.numerics.bands import Band, row_bands
from oodbench.numerics.labelled import labelled_pixels
from oodbench.numerics.masks import MaskBand, mask_bands
from oodbench.numerics.moments import ClassMoments
from oodbench.numerics.reservoir import ClassReservoir
from oodbench.numerics.resize import (
    Taps,
    linear_taps,
    nearest_labels,
    resize_labels,
    resize_rows,
    resize_score,
    sample,
    taps_at,
)
from oodbench.numerics.summary import summarise

NUMERICS_VERSION = 1
"""Raised when the shared arithmetic changes any score; maps stored by another version are not reused."""

__all__ = [
    "NUMERICS_VERSION",
    "Band",
    "ClassMoments",
    "ClassReservoir",
    "MaskBand",
    "Taps",
    "labelled_pixels",
    "linear_taps",
    "mask_bands",
    "nearest_labels",
    "resize_labels",
    "resize_rows",
    "resize_score",
    "row_bands",
    "sample",
    "summarise",
    "taps_at",
]
