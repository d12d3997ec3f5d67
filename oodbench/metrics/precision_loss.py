"""Effect of a different score storage format on the exact metrics."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from oodbench.metrics.evaluation import Evaluation, make_evaluation
from oodbench.metrics.protocols import POOLED
from oodbench.types import AnomalyLabels, ScoreMap


@dataclass(frozen=True)
class MetricChange:
    """AP and FPR95 of the same frames before and after a conversion of the scores, as fractions; NaN if undefined.

    Attributes:
        frames: Number of frames.
        before: (AP, FPR95) of the original scores, of the pixels of all frames together.
        after: (AP, FPR95) of the converted scores.

    Examples:
        >>> from oodbench.metrics import MetricChange
        >>> round(MetricChange(frames=10, before=(0.5, 0.2), after=(0.51, 0.2)).largest, 4)
        0.01
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
    """Measure how a conversion of scores, such as another file format, changes AP and FPR95.

    Args:
        frames: For each frame the scores before and after the conversion, float32 [H, W] each, and the labels.

    Returns:
        AP and FPR95 before and after.

    Raises:
        ScoreError: Shapes or types do not match the labels, or the score of a pixel that is not void is NaN.

    Examples:
        >>> import numpy as np
        >>> from oodbench.metrics import measure_change
        >>> from oodbench.types import AnomalyLabels
        >>> score = np.float32([[0.9, 0.2], [0.1, 0.4]])
        >>> labels = AnomalyLabels(np.array([[1, 0], [0, 0]], np.uint8))
        >>> measure_change([(score, 2 * score, labels)]).largest  # the order stays the same
        0.0
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
