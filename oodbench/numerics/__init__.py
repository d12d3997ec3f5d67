"""Arithmetic that many methods share, such as the resizing of class maps."""

from oodbench.numerics.bands import Band, iter_row_bands
from oodbench.numerics.label_gather import gather_labelled_pixels
from oodbench.numerics.masks import MaskBand, mask_bands
from oodbench.numerics.moments import ClassMoments
from oodbench.numerics.neighbours import NeighbourIndex
from oodbench.numerics.reservoir import ClassReservoir
from oodbench.numerics.resize import (
    Taps,
    linear_taps,
    nearest_labels,
    resize_labels,
    resize_rows,
    resize_score,
    sample_bilinear,
    taps_at,
)
from oodbench.numerics.summary import summarise

NUMERICS_VERSION = 1
"""Version of the arithmetic that methods share. It increases when a change affects any score, so that score maps which
another version stored are not reused.
"""

__all__ = [
    "NUMERICS_VERSION",
    "Band",
    "ClassMoments",
    "ClassReservoir",
    "MaskBand",
    "NeighbourIndex",
    "Taps",
    "gather_labelled_pixels",
    "iter_row_bands",
    "linear_taps",
    "mask_bands",
    "nearest_labels",
    "resize_labels",
    "resize_rows",
    "resize_score",
    "sample_bilinear",
    "summarise",
    "taps_at",
]
