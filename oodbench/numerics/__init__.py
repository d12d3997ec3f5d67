"""What many methods need: resizing, the pass over the logits that they share, reservoirs of labelled pixels."""

from oodbench.numerics.bands import LogitBand, row_bands
from oodbench.numerics.reservoir import ClassReservoir
from oodbench.numerics.resize import Taps, linear_taps, nearest_labels, resize_labels, resize_rows, resize_score
from oodbench.numerics.summary import summarise

__all__ = [
    "ClassReservoir",
    "LogitBand",
    "Taps",
    "linear_taps",
    "nearest_labels",
    "resize_labels",
    "resize_rows",
    "resize_score",
    "row_bands",
    "summarise",
]
