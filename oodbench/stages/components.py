"""Component metrics of a result, at a threshold chosen with the benchmark's labels and at the calibrated threshold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from oodbench.contracts import AT_ID95, FALSE_ALARM_RATE, Calibration, ComponentSizes, Protocol
from oodbench.metrics import ComponentCounts, ComponentMetrics, PixelMetrics, Source, component_metrics
from oodbench.metrics.components import TAUS


def add_component_metrics(
    pixels: PixelMetrics,
    read: Source,
    protocol: Protocol,
    sizes: ComponentSizes,
    calibration: Calibration | None,
    option: str = "--id-data",
) -> tuple[PixelMetrics, dict[str, Any]]:
    """Add component metrics to pixel metrics.

    Args:
        pixels: Pixel metrics of the same frames under the protocol, with the threshold of the best F1.
        read: Function that yields the frames again.
        protocol: The protocol.
        sizes: The minimum sizes of components.
        calibration: The scorer's calibration; None if the run has no in-distribution frames.
        option: The option that would have given a calibration, for messages.

    Returns:
        All metrics, and the counts behind the component metrics.
    """
    candidates = {
        "": pixels.best_f1_threshold,
        AT_ID95: calibration.score_at(1 - FALSE_ALARM_RATE) if calibration else math.nan,
    }
    reasons = {
        "": "no valid pixel is anomalous, so there is no threshold of the best F1",
        AT_ID95: f"no in-distribution frames ({option}), so there is no calibrated threshold",
    }
    thresholds = {suffix: value for suffix, value in candidates.items() if not math.isnan(value)}
    components = component_metrics(read, protocol, sizes, thresholds)
    values, undefined = dict(pixels.values), dict(pixels.undefined)
    facts: dict[str, Any] = {
        "smallest_prediction": sizes.prediction,
        "smallest_object": sizes.object,
        "taus": TAUS.round(2).tolist(),
    }
    for suffix in candidates:
        metrics = components.get(suffix) or _undefined_metrics(sizes, reasons[suffix])
        values |= {name + suffix: value for name, value in metrics.values.items()}
        undefined |= {name + suffix: reason for name, reason in metrics.undefined.items()}
        if suffix in components:
            facts["at ID95" if suffix else "at the best F1"] = _describe_counts(metrics, thresholds[suffix])
    return replace(pixels, values=values, undefined=undefined), facts


def _undefined_metrics(sizes: ComponentSizes, reason: str) -> ComponentMetrics:
    empty = ComponentCounts(sizes).metrics()
    return replace(empty, undefined=dict.fromkeys(empty.values, reason))


def _describe_counts(metrics: ComponentMetrics, threshold: float) -> Mapping[str, Any]:
    counts = {name: getattr(metrics, name).tolist() for name in ("tp", "fn", "fp")}
    f1 = [None if math.isnan(value) else value for value in metrics.f1.tolist()]
    return {
        "threshold": threshold if math.isfinite(threshold) else None,
        "objects": metrics.objects,
        "predictions": metrics.predictions,
        **counts,
        "f1": f1,
    }
