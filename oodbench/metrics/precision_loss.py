"""Effect of a different score storage format on the exact metrics."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from oodbench.metrics.evaluation import Evaluation, make_evaluation
from oodbench.metrics.protocols import POOLED
from oodbench.types import AnomalyLabels, ScoreMap


@dataclass(frozen=True)
class MetricChange:
    """AP and FPR95 of the same frames before and after a conversion, as fractions; NaN if undefined.

    Attributes:
        frames: Number of frames.
        before, after: (AP, FPR95), exact, with all pixels in one pool.
    """

    frames: int
    before: tuple[float, float]
    after: tuple[float, float]

    @property
    def largest(self) -> float:
        """The larger of the two absolute changes; 0 if neither is defined."""
        differences = [abs(a - b) for a, b in zip(self.before, self.after, strict=True)]
        return max((value for value in differences if value == value), default=0.0)


def measure_change(frames: Iterable[tuple[ScoreMap, ScoreMap, AnomalyLabels]]) -> MetricChange:
    """Compare the metrics of the original and the converted scores.

    Args:
        frames: For each frame, scores before, scores after, labels; float32 [H, W] each.
    """
    before, after = make_evaluation(POOLED), make_evaluation(POOLED)
    count = 0
    for score, other, labels in frames:
        before.update(score, labels)
        after.update(other, labels)
        count += 1
    return MetricChange(count, _ap_and_fpr(before), _ap_and_fpr(after))


def _ap_and_fpr(evaluation: Evaluation) -> tuple[float, float]:
    values = evaluation.metrics().values
    average_precision, fpr, _ = POOLED.pixel_metrics
    return values[average_precision], values[fpr]
