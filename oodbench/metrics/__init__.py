"""Numbers from scores and labels: numpy in, numpy out; no torch, no files."""

from oodbench.metrics.pixels import PixelMetrics, PixelPool
from oodbench.metrics.protocols import POOLED, PROTOCOLS
from oodbench.metrics.segmentation import ConfusionMatrix

__all__ = ["POOLED", "PROTOCOLS", "ConfusionMatrix", "PixelMetrics", "PixelPool"]
