"""The rules that turn scores into metrics. Both records are part of the identity of every stored number."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from oodbench.types import Resize


@dataclass(frozen=True)
class Scoring:
    """The resolution at which scores are computed, and their resizing to the resolution of the labels.

    Attributes:
        upsample: `logits`: class maps are resized to the label resolution and scored there, as in most papers.
            `score`: class maps are scored on the network's grid, and the score is resized. The two differ by up to
            0.27 in MSP. Scores on features are always computed on the grid of the features. `given`: the scores were
            read from files; maps that are smaller than the labels are resized.
        resize: Interpolation used to resize class maps or scores to the label resolution, without antialiasing.
            `bilinear`: half-pixel centres. `bilinear-aligned`: aligned corner pixels, as align_corners=True in torch.

    Examples:
        >>> from oodbench.contracts import Scoring
        >>> Scoring(upsample="score").identity()
        {'upsample': 'score'}
    """

    upsample: Literal["logits", "score", "given"] = "logits"
    resize: Resize = "bilinear"

    def record(self) -> dict[str, Any]:
        """Return the record as it is stored in results and plans."""
        return asdict(self)

    def identity(self) -> dict[str, Any]:
        """Return the fields that differ from their defaults.

        A later version can add a field with a default, and stored numbers keep their identity.
        """
        return {f.name: value for f in fields(self) if (value := getattr(self, f.name)) != f.default}


@dataclass(frozen=True)
class Protocol:
    """The rules by which labelled scores become metrics.

    Attributes:
        name: The public name.
        source: The evaluator whose rules these are.
        pooling: `pixels`: all pixels of the set in one pool; `frames`: the mean over the metrics of single frames.
        average_precision: `steps`: the sum over distinct thresholds of (recall gained) x precision, as in scikit-learn;
            `trapezoid`: the area under straight lines between the points of the precision-recall curve.
        tpr: The true positive rate at which the false positive rate is read.
        fpr: The rule for reading the false positive rate, with thresholds in descending order. `first`: at the first
            threshold that reaches the true positive rate. `nearest`: at the threshold with the nearest true positive
            rate; of two equally near ones, that with the larger false positive rate. `interpolated`: on straight lines
            between the points of the ROC curve. `strict`: at the first vertex of the ROC curve above the true positive
            rate, without the vertices between two equal steps.
        precision: `float32`, as scored, or `float16`, as stored by SegmentMeIfYouCan.
        thresholds: `all`: all distinct scores; `percentiles`: 384 percentiles of the anomalous and 384 of the
            in-distribution scores of each frame.
        void: Void pixels are `dropped`, or counted as `in-distribution`.
        frames_without_anomaly: They are `counted` with all their pixels, `skipped`, or `refused`.
        components: Whether components are counted too (oodbench.metrics.components).

    Examples:
        >>> from oodbench.metrics import PROTOCOLS
        >>> protocol = PROTOCOLS["smiyc"]
        >>> protocol.precision, protocol.components, protocol.fpr_name, protocol.is_pooled
        ('float16', True, 'FPR95', False)
    """

    name: str
    source: str = ""
    pooling: Literal["pixels", "frames"] = "pixels"
    average_precision: Literal["steps", "trapezoid"] = "steps"
    tpr: float = 0.95
    fpr: Literal["first", "nearest", "interpolated", "strict"] = "first"
    precision: Literal["float32", "float16"] = "float32"
    thresholds: Literal["all", "percentiles"] = "all"
    void: Literal["dropped", "in-distribution"] = "dropped"
    frames_without_anomaly: Literal["counted", "skipped", "refused"] = "counted"
    components: bool = False

    @property
    def fpr_name(self) -> str:
        """The name of the false positive rate metric: `FPR95` for a true positive rate of 0.95."""
        return f"FPR{self.tpr * 100:g}"

    @property
    def pixel_metrics(self) -> tuple[str, str, str]:
        """The names of the pixel metrics, in their order: average precision, false positive rate, AUROC."""
        return ("AP", self.fpr_name, "AUROC")

    @property
    def is_pooled(self) -> bool:
        """Whether all distinct scores count in one pool, and FPR is read at the first threshold."""
        rules = (self.pooling, self.thresholds, self.average_precision, self.fpr)
        return rules == ("pixels", "all", "steps", "first")

    def record(self) -> dict[str, Any]:
        """Return the record as it is stored in results and plans."""
        return asdict(self)

    def identity(self) -> dict[str, Any]:
        """Return the fields that differ from their defaults.

        A later version can add a field with a default, and stored numbers keep their identity.
        """
        return {f.name: value for f in fields(self) if (value := getattr(self, f.name)) != f.default}
