"""Numbers from scores and labels: numpy in, numpy out; no torch, no files."""

from oodbench.metrics.brackets import BucketCounts, PixelBrackets, pixel_brackets
from oodbench.metrics.change import Change, change
from oodbench.metrics.components import ComponentCounts, ComponentMetrics, component_metrics, frame_components
from oodbench.metrics.counts import PixelCounts
from oodbench.metrics.curves import PixelCurve, pixel_curve
from oodbench.metrics.evaluation import Evaluation, evaluation
from oodbench.metrics.halves import HalfMap, born_half, fit_half_map, to_half
from oodbench.metrics.intervals import MetricIntervals, intervals
from oodbench.metrics.pixels import PixelMetrics, Source, pixel_metrics, pixel_metrics_of
from oodbench.metrics.protocols import POOLED, PROTOCOLS
from oodbench.metrics.segmentation import ConfusionMatrix, Reliability
from oodbench.metrics.sketches import FrameValues, PixelSketch, Sketch, sketch_from

__all__ = [
    "POOLED",
    "PROTOCOLS",
    "BucketCounts",
    "Change",
    "ComponentCounts",
    "ComponentMetrics",
    "ConfusionMatrix",
    "Evaluation",
    "FrameValues",
    "HalfMap",
    "MetricIntervals",
    "PixelBrackets",
    "PixelCounts",
    "PixelCurve",
    "PixelMetrics",
    "PixelSketch",
    "Reliability",
    "Sketch",
    "Source",
    "born_half",
    "change",
    "component_metrics",
    "evaluation",
    "fit_half_map",
    "frame_components",
    "intervals",
    "pixel_brackets",
    "pixel_curve",
    "pixel_metrics",
    "pixel_metrics_of",
    "sketch_from",
    "to_half",
]
