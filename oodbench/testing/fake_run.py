"""A run made by hand, for reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from oodbench.contracts import (
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
"""Of the calibration."""


def make_result(
    method: str, ap: float | None, fpr: float | None, benchmark: str = "road-anomaly", **changes: object
) -> Result:
    """A row with these numbers, as fractions; `changes` are other fields of it."""
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
    """Implements contracts.RunView: three grey frames with a box and a strip of void, and a ramp for every score."""

    def __init__(
        self,
        rows: Sequence[Result],
        calibrated: bool = True,
        labelled: bool = True,
        quality: Mapping[str, Mapping[str, Any]] | None = None,
        notes: Sequence[str] = (),
        published: Sequence[PublishedResult] = (),
    ) -> None:
        self.location = "nowhere"
        self.results = rows
        self.calibrated = calibrated
        self.labelled = labelled
        self.quality = quality or {}
        self.notes = notes
        self.published = published

    def requirements(self, row: Result) -> Requirements:
        """`outlier` has seen outliers, the others have had nothing; nothing is known of scores that were given."""
        if row.method == "given":
            return Requirements()
        return Requirements(retraining=False, extra_network=False, ood_data=row.method == "outlier")

    def frames(self, benchmark: str) -> Sequence[str]:
        """Names that have to be escaped."""
        return ["a", "<b>&_%", "c"]

    def figure_frames(self, benchmark: str) -> Sequence[str]:
        """All of them."""
        return self.frames(benchmark)

    def image(self, benchmark: str, frame: str) -> RGBImage:
        """Grey."""
        return np.full((40, 80, 3), 128, np.uint8)

    def labels(self, benchmark: str, frame: str) -> AnomalyLabels | None:
        """A box of anomaly, a strip of void."""
        values = np.zeros((40, 80), np.uint8)
        values[10:20, 20:40] = 1
        values[35:] = 255
        return AnomalyLabels(values) if self.labelled else None

    def semantic_labels(self, benchmark: str, frame: str) -> SemanticLabels | None:
        """Road below, sky above."""
        values = np.full((40, 80), 10, np.uint8)
        values[20:] = 0
        return SemanticLabels(values, CITYSCAPES_19) if self.labelled else None

    def score(self, row: Result, frame: str) -> ScoreMap:
        """From -1 on the left to 5 on the right."""
        return np.tile(np.linspace(-1, 5, 80, dtype=np.float32), (40, 1))

    def prediction(self, row: Result, frame: str) -> SemanticLabels | None:
        """Cars in the place of the road; void in the last column."""
        values = np.full((40, 80), 10, np.uint8)
        values[20:] = 13
        values[:, -1] = VOID
        return SemanticLabels(values, CITYSCAPES_19)

    def calibration(self, row: Result) -> Calibration | None:
        """The scores 0 to 6 at `LEVELS`."""
        return (
            Calibration(LEVELS, np.arange(7, dtype=np.float32), "Cityscapes val, 1 frame") if self.calibrated else None
        )

    def breakdown(self, row: Result) -> Breakdown | None:
        """A few for MSP, none for the others."""
        if row.method != "msp":
            return None
        recall = {"test": 0.95, "calibrated": 0.5} if self.calibrated else {"test": 0.95}
        called = dict.fromkeys(recall, 10)
        thresholds = [
            BreakdownThreshold(name="test", title="finds 95 %", score=1.0, expected=None, fpr=0.25, recall=0.95)
        ]
        if self.calibrated:
            said = "5 % of the pixels of Cityscapes val exceed it"
            more = BreakdownThreshold(name="calibrated", title=said, score=2.0, expected=0.05, fpr=0.125, recall=0.5)
            thresholds.append(more)
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

    def card(self, row: Result) -> MethodCard | None:
        """One for each method; none of scores that were given."""
        return None if row.method == "given" else MethodCard(name=row.method, title=row.label, paper="P", url="U")

    def comparisons(self) -> Sequence[MethodComparison]:
        """AP on the first benchmark: nothing tells the first two rows apart, and the others are worse."""
        first = self.results[0]
        rows = [row for row in self.results if row.benchmark == first.benchmark and row.metrics["AP"] is not None]
        if len(rows) < 2:
            return ()
        rows.sort(key=lambda row: -(row.metrics["AP"] or 0))
        best = rows[0].metrics["AP"] or 0
        entries = []
        for place, row in enumerate(rows):
            value = row.metrics["AP"] or 0
            difference = Difference(value - best, (value - best - 0.05, value - best + 0.01), 0.001) if place else None
            bounds = (value / 2, value + 0.05)
            entries.append(
                ComparedMethod(
                    row.network,
                    row.label,
                    value,
                    bounds,
                    1 if place < 2 else 2,
                    difference,
                    (0.5 if place == 1 else 0.01) if place else None,
                    place > 1,
                )
            )
        pairs = len(rows) * (len(rows) - 1) // 2
        apart = tuple((0, place) for place in range(2, len(rows)))
        return (
            MethodComparison(
                first.benchmark, first.protocol.name, "AP", "frames", 3, 9999, f"{rows[0].label} / net", pairs,
                tuple(entries), (), apart,
            ),
        )  # fmt: skip
