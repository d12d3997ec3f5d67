"""Component metrics of a result: at the threshold that the benchmark's labels give, and at one without labels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from oodbench.contracts import AT_ID95, FALSE_ALARM_RATE, Calibration, ComponentSizes, Protocol
from oodbench.metrics import ComponentCounts, ComponentMetrics, PixelMetrics, Source, component_metrics
from oodbench.metrics.components import TAUS


def add_component_metrics(
    pixels: PixelMetrics, read: Source, protocol: Protocol, sizes: ComponentSizes, calibration: Calibration | None
) -> tuple[PixelMetrics, dict[str, Any]]:
    """Add the metrics of components to those of pixels.

    Args:
        pixels: Pixel metrics of the same frames under the protocol, with the threshold of the best F1.
        read: Function that yields the frames again.
        protocol: The protocol.
        sizes: The smallest components that count.
        calibration: The scorer's calibration; None if the run has no in-distribution frames.

    Returns:
        All metrics, and the counts behind those of components.
    """
    chosen = {
        "": pixels.best_f1_threshold,
        AT_ID95: calibration.score_at(1 - FALSE_ALARM_RATE) if calibration else math.nan,
    }
    reasons = {
        "": "no anomalous pixel among the valid ones, so the best F1 has no threshold",
        AT_ID95: "no in-distribution frames (--id-data), so no threshold without the benchmark's labels",
    }
    thresholds = {end: value for end, value in chosen.items() if not math.isnan(value)}
    found = component_metrics(read, protocol, sizes, thresholds)
    values, undefined = dict(pixels.values), dict(pixels.undefined)
    facts: dict[str, Any] = {
        "smallest_prediction": sizes.prediction,
        "smallest_object": sizes.object,
        "taus": TAUS.round(2).tolist(),
    }
    for end in chosen:
        metrics = found.get(end) or _undefined_metrics(sizes, reasons[end])
        values |= {name + end: value for name, value in metrics.values.items()}
        undefined |= {name + end: reason for name, reason in metrics.undefined.items()}
        if end in found:
            facts["at ID95" if end else "at the best F1"] = _describe_counts(metrics, thresholds[end])
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
