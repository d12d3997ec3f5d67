"""Component metrics of a result, at a threshold chosen with the benchmark's labels and at the calibrated threshold."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from oodbench.contracts import AT_ID95, FALSE_ALARM_RATE, ComponentSizes, Protocol
from oodbench.metrics import ComponentCounts, ComponentMetrics, PixelMetrics, component_metrics
from oodbench.metrics.components import TAUS
from oodbench.metrics.measurements.frame import ComponentRule, FrameMeasurement
from oodbench.storage.scored_benchmark import ScoredBenchmark
from oodbench.types import AnomalyLabels, ScoreMap

NO_MAPS = "the threshold of the best F1 is known only after all frames are scored, and their maps are not stored"


def component_rules(scored: ScoredBenchmark, protocols: Iterable[Protocol]) -> tuple[ComponentRule, ...]:
    """Return the thresholds that are known before scoring: the calibrated one, for each protocol with components.

    Args:
        scored: The scorer and the benchmark.
        protocols: The protocols.
    """
    calibration = scored.calibration()
    if calibration is None:
        return ()
    threshold = float(calibration.score_at(1 - FALSE_ALARM_RATE))
    sizes = scored.benchmark.components
    return tuple(ComponentRule(protocol.name, threshold, sizes) for protocol in protocols if protocol.components)


def add_component_metrics(
    pixels: PixelMetrics, scored: ScoredBenchmark, protocol: Protocol, frames: Sequence[FrameMeasurement]
) -> tuple[PixelMetrics, dict[str, Any]]:
    """Add component metrics to pixel metrics.

    At the calibrated threshold, they come from the measurements of the frames. At the threshold of the best F1, which
    depends on all frames, the score maps are read.

    Args:
        pixels: Pixel metrics of the same frames under the protocol, with the threshold of the best F1.
        scored: The scorer and the benchmark.
        protocol: The protocol.
        frames: The measurements of the frames.

    Returns:
        All metrics, and the counts behind the component metrics.
    """
    sizes = scored.benchmark.components
    found: dict[str, tuple[ComponentMetrics, float]] = {}
    reasons = {"": "no valid pixel is anomalous, so there is no threshold of the best F1"}
    best = pixels.best_f1_threshold
    if not math.isnan(best):
        if scored.has_maps():
            found[""] = component_metrics(lambda: _read(scored), protocol, sizes, {"": best})[""], best
        else:
            reasons[""] = NO_MAPS
    option = "--calibration-scores" if scored.scorer.given else "--id-data"
    reasons[AT_ID95] = f"no in-distribution frames ({option}), so there is no calibrated threshold"
    for rule in component_rules(scored, [protocol]):
        if all(rule.name in frame.components for frame in frames):
            counts = ComponentCounts(sizes)
            for frame in frames:
                counts.add(frame.components[rule.name])
            found[AT_ID95] = counts.metrics(), rule.threshold
        else:
            reasons[AT_ID95] = "the frames were measured without it, and their maps are not stored"
    values, undefined = dict(pixels.values), dict(pixels.undefined)
    facts: dict[str, Any] = {
        "smallest_prediction": sizes.prediction,
        "smallest_object": sizes.object,
        "taus": TAUS.round(2).tolist(),
    }
    for suffix, reason in reasons.items():
        metrics, threshold = found.get(suffix) or (_undefined_metrics(sizes, reason), math.nan)
        values |= {name + suffix: value for name, value in metrics.values.items()}
        undefined |= {name + suffix: reason for name, reason in metrics.undefined.items()}
        if suffix in found:
            facts["at ID95" if suffix else "at the best F1"] = _describe_counts(metrics, threshold)
    return replace(pixels, values=values, undefined=undefined), facts


def _read(scored: ScoredBenchmark) -> Iterator[tuple[ScoreMap, AnomalyLabels]]:
    for _, score, labels in scored:
        yield score, labels


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
