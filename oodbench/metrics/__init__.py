"""Metrics computed from scores with labels.

All computations use numpy. Nothing here imports torch or opens a file.
"""

from oodbench.metrics.components import ComponentCounts, ComponentMetrics, component_metrics, frame_components
from oodbench.metrics.counting.bucket_counts import BucketCounts
from oodbench.metrics.counting.buckets import Buckets
from oodbench.metrics.counting.counts import PixelCounts
from oodbench.metrics.counting.frame_scores import FrameScores, group_scores
from oodbench.metrics.counting.half_precision import HalfMap, fit_half_map, is_half_precision, to_half
from oodbench.metrics.counting.streaming_bounds import PixelBrackets, pixel_brackets
from oodbench.metrics.curves import PixelCurve, pixel_curve
from oodbench.metrics.evaluation import Evaluation, make_evaluation
from oodbench.metrics.functional import (
    UndefinedMetricWarning,
    auroc,
    average_precision,
    best_f1,
    component_f1,
    fpr_at_tpr,
)
from oodbench.metrics.pixels import PixelMetrics, Source, pixel_metrics, pixel_metrics_of
from oodbench.metrics.precision_loss import MetricChange, measure_change
from oodbench.metrics.protocols import DEFAULT_PROTOCOL, POOLED, PROTOCOLS
from oodbench.metrics.resampling.intervals import MetricIntervals, bootstrap_intervals
from oodbench.metrics.resampling.sketches import FrameValues, PixelSketch, Sketch, sketch_from
from oodbench.metrics.segmentation import ConfusionMatrix, Reliability

__all__ = [
    "DEFAULT_PROTOCOL",
    "POOLED",
    "PROTOCOLS",
    "BucketCounts",
    "Buckets",
    "ComponentCounts",
    "ComponentMetrics",
    "ConfusionMatrix",
    "Evaluation",
    "FrameScores",
    "FrameValues",
    "HalfMap",
    "MetricChange",
    "MetricIntervals",
    "PixelBrackets",
    "PixelCounts",
    "PixelCurve",
    "PixelMetrics",
    "PixelSketch",
    "Reliability",
    "Sketch",
    "Source",
    "UndefinedMetricWarning",
    "auroc",
    "average_precision",
    "best_f1",
    "bootstrap_intervals",
    "component_f1",
    "component_metrics",
    "fit_half_map",
    "fpr_at_tpr",
    "frame_components",
    "group_scores",
    "is_half_precision",
    "make_evaluation",
    "measure_change",
    "pixel_brackets",
    "pixel_curve",
    "pixel_metrics",
    "pixel_metrics_of",
    "sketch_from",
    "to_half",
]
