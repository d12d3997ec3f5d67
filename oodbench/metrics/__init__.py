"""Numbers from scores and labels: numpy in, numpy out; no torch, no files."""

from oodbench.metrics.counts import PixelCounts
from oodbench.metrics.evaluation import Evaluation, evaluation
from oodbench.metrics.intervals import MetricIntervals, intervals
from oodbench.metrics.pixels import PixelMetrics, pixel_metrics, pixel_metrics_of
from oodbench.metrics.protocols import POOLED, PROTOCOLS
from oodbench.metrics.segmentation import ConfusionMatrix
from oodbench.metrics.sketches import FrameValues, PixelSketch, Sketch, sketch_from

__all__ = [
    "POOLED",
    "PROTOCOLS",
    "ConfusionMatrix",
    "Evaluation",
    "FrameValues",
    "MetricIntervals",
    "PixelCounts",
    "PixelMetrics",
    "PixelSketch",
    "Sketch",
    "evaluation",
    "intervals",
    "pixel_metrics",
    "pixel_metrics_of",
    "sketch_from",
]
