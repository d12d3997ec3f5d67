"""A synthetic run for tests of reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from oodbench.contracts import (
    BinnedScores,
    Breakdown,
    BreakdownGroup,
    BreakdownThreshold,
    Calibration,
    ClassFalseAlarms,
    ComparedMethod,
    Difference,
    MethodCard,
    MethodComparison,
    PublishedResult,
    Requirements,
    Result,
)
from oodbench.types import CITYSCAPES_19, VOID, AnomalyLabels, RGBImage, ScoreMap, SemanticLabels

LEVELS = np.array([0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0])
"""float64 [7], the levels of the calibration."""


def make_result(
    method: str, ap: float | None, fpr: float | None, benchmark: str = "road-anomaly", **changes: object
) -> Result:
    """Return a result with these numbers, as fractions.

    Args:
        method: Public name of the method.
        ap: The average precision; None: undefined.
        fpr: The false positive rate; None: undefined.
        benchmark: Public name of the benchmark.
        changes: Other fields of the result.
    """
    content: dict[str, object] = {
        "method": method,
        "params": {},
        "label": method.upper(),
        "network": "net",
        "benchmark": benchmark,
        "layout": "official",
        "scoring": {"upsample": "logits", "resize": "bilinear"},
        "protocol": {"name": "pooled", "source": "a text"},
        "metrics": {"AP": ap, "FPR95": fpr},
        "undefined": {} if ap is not None else {"AP": "no anomalous pixel among the valid ones"},
        "counts": {"frames": 3, "expected_frames": 60},
        "fit": {},
        "cost": {"forward_ms": 1.0},
        "environment": {},
        "seed": 0,
        "digests": {},
        "warnings": ["road-anomaly: 3 of 60 frames"],
    }
    return Result.model_validate(content | changes)


class HandmadeRun:
    """A run for reports: three grey frames with an anomaly box and a void strip, and the same ramp as every score."""

    def __init__(
        self,
        results: Sequence[Result],
        calibrated: bool = True,
        labelled: bool = True,
        quality: Mapping[str, Mapping[str, Any]] | None = None,
        notes: Sequence[str] = (),
        published: Sequence[PublishedResult] = (),
    ) -> None:
        self.location = "nowhere"
        self.results = results
        self.calibrated = calibrated
        self.labelled = labelled
        self.quality = quality or {}
        self.notes = notes
        self.published = published

    def benchmark_title(self, benchmark: str) -> str:
        """Return a title that must be escaped."""
        return f"{benchmark} & <title>"

    def requirements(self, result: Result) -> Requirements:
        """Return OoD data for `outlier`, unknown for external scores, and no training signals for other methods."""
        if result.method == "given":
            return Requirements()
        return Requirements(retraining=False, extra_network=False, ood_data=result.method == "outlier")

    def frames(self, benchmark: str) -> Sequence[str]:
        """Return frame ids that must be escaped."""
        return ["a", "<b>&_%", "c"]

    def figure_frames(self, benchmark: str) -> Sequence[str]:
        """Return the ids of all frames."""
        return self.frames(benchmark)

    def image(self, benchmark: str, frame: str) -> RGBImage:
        """Return a grey image."""
        return np.full((40, 80, 3), 128, np.uint8)

    def labels(self, benchmark: str, frame: str) -> AnomalyLabels | None:
        """Return labels with an anomaly box and a void strip; None if the run has no labels."""
        values = np.zeros((40, 80), np.uint8)
        values[10:20, 20:40] = 1
        values[35:] = 255
        return AnomalyLabels(values) if self.labelled else None

    def semantic_labels(self, benchmark: str, frame: str) -> SemanticLabels | None:
        """Return labels with road below and sky above; None if the run has no labels."""
        values = np.full((40, 80), 10, np.uint8)
        values[20:] = 0
        return SemanticLabels(values, CITYSCAPES_19) if self.labelled else None

    def score(self, result: Result, frame: str) -> ScoreMap:
        """Return a ramp from -1 on the left to 5 on the right."""
        return np.tile(np.linspace(-1, 5, 80, dtype=np.float32), (40, 1))

    def level_picture(self, result: Result, frame: str) -> ScoreMap | None:
        """Return the score map, reduced to half of its size."""
        return HandmadeRun.score(self, result, frame)[::2, ::2].copy()

    def binned_scores(self, result: Result) -> BinnedScores | None:
        """Return the scores of the frames counted in four bins per unit; None if the run has no labels."""
        lowest = np.arange(5, -1, -0.25, dtype=np.float32)
        counts = np.zeros((len(self.frames(result.benchmark)), 2, lowest.size + 1), np.int64)
        for index, frame in enumerate(self.frames(result.benchmark)):
            labels = self.labels(result.benchmark, frame)
            if labels is None:
                return None
            places = lowest.size - np.searchsorted(lowest[::-1], HandmadeRun.score(self, result, frame), side="right")
            for kind in (0, 1):
                counts[index, kind] = np.bincount(places[labels.values == kind], minlength=lowest.size + 1)
        return BinnedScores(lowest, counts)

    def prediction(self, result: Result, frame: str) -> SemanticLabels | None:
        """Return a prediction of cars instead of road, with void in the last column."""
        values = np.full((40, 80), 10, np.uint8)
        values[20:] = 13
        values[:, -1] = VOID
        return SemanticLabels(values, CITYSCAPES_19)

    def calibration(self, result: Result) -> Calibration | None:
        """Return a calibration with the scores 0 to 6 at `LEVELS`; None if the run is not calibrated."""
        return (
            Calibration(LEVELS, np.arange(7, dtype=np.float32), "Cityscapes val, 1 frame") if self.calibrated else None
        )

    def breakdown(self, result: Result) -> Breakdown | None:
        """Return a breakdown for MSP, and None for other methods."""
        if result.method != "msp":
            return None
        recall = {"test": 0.95, "calibrated": 0.5} if self.calibrated else {"test": 0.95}
        called = dict.fromkeys(recall, 10)
        thresholds = [
            BreakdownThreshold(name="test", title="finds 95 %", score=1.0, expected=None, fpr=0.25, recall=0.95)
        ]
        if self.calibrated:
            title = "5 % of the pixels of Cityscapes val exceed it"
            thresholds.append(
                BreakdownThreshold(name="calibrated", title=title, score=2.0, expected=0.05, fpr=0.125, recall=0.5)
            )
        return Breakdown(
            thresholds=tuple(thresholds),
            groups=(
                BreakdownGroup(
                    kind="size", name="1 to 10 %", objects=3, pixels=600, ap=0.25, auroc=0.75, recall=recall
                ),
                BreakdownGroup(
                    kind="place", name="upper half", objects=3, pixels=600, ap=0.25, auroc=None, recall=recall
                ),
                BreakdownGroup(
                    kind="class", name="<road>&_%", objects=None, pixels=600, ap=None, auroc=0.75, recall=recall
                ),
            ),
            false_alarms=(ClassFalseAlarms(name="<road>&_%", pixels=40, called=called),),
        )

    def card(self, result: Result) -> MethodCard | None:
        """Return a card with the method's name; None for external scores."""
        if result.method == "given":
            return None
        return MethodCard(name=result.method, title=result.label, paper="P", url="U")

    def comparisons(self) -> Sequence[MethodComparison]:
        """Return the comparison in AP on the first benchmark: the first two do not differ, the others are worse."""
        first = self.results[0]
        results = [
            result
            for result in self.results
            if result.benchmark == first.benchmark and result.metrics["AP"] is not None
        ]
        if len(results) < 2:
            return ()
        results.sort(key=lambda result: -(result.metrics["AP"] or 0))
        best = results[0].metrics["AP"] or 0
        entries = []
        for place, result in enumerate(results):
            value = result.metrics["AP"] or 0
            difference = Difference(value - best, (value - best - 0.05, value - best + 0.01), 0.001) if place else None
            bounds = (value / 2, value + 0.05)
            entries.append(
                ComparedMethod(
                    result.network,
                    result.label,
                    value,
                    bounds,
                    1 if place < 2 else 2,
                    difference,
                    (0.5 if place == 1 else 0.01) if place else None,
                    place > 1,
                )
            )
        pairs = len(results) * (len(results) - 1) // 2
        apart = tuple((0, place) for place in range(2, len(results)))
        return (
            MethodComparison(
                first.benchmark, first.protocol.name, "AP", "frames", 3, 9999, f"{results[0].label} / net", pairs,
                tuple(entries), (), apart,
            ),
        )  # fmt: skip
