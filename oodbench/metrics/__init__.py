"""Numbers from scores and labels: numpy in, numpy out; no torch, no files."""

from oodbench.metrics.counts import PixelCounts
from oodbench.metrics.evaluation import Evaluation, evaluation
from oodbench.metrics.pixels import PixelMetrics, pixel_metrics, pixel_metrics_of
from oodbench.metrics.protocols import POOLED, PROTOCOLS
from oodbench.metrics.segmentation import ConfusionMatrix

__all__ = [
    "POOLED",
    "PROTOCOLS",
    "ConfusionMatrix",
    "Evaluation",
    "PixelCounts",
    "PixelMetrics",
    "evaluation",
    "pixel_metrics",
    "pixel_metrics_of",
]
