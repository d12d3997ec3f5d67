"""The rules that turn scores into metrics. Both records are part of the identity of every stored number."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from oodbench.text import Note, PublicName
from oodbench.types import Resize


@dataclass(frozen=True)
class Scoring:
    """The resolution at which scores are computed, and the interpolation to the resolution of the labels.

    Class maps are the maps of logits or posteriors that a network outputs, one per class.

    Attributes:
        upsample: `logits`: class maps are resized to the label resolution and scored there, as in most papers.
            `score`: class maps are scored at the network's output resolution, and the scores are resized. Between these
            two, MSP scores differ by up to 0.27. Methods that read features always score at the resolution of the
            features. `given`: other code wrote the score maps; maps that are smaller than the labels are resized.
        resize: Interpolation used to resize class maps or scores to the label resolution, without antialiasing.
            `bilinear`: half-pixel centres. `bilinear-aligned`: aligned corner pixels, as align_corners=True in torch.

    Examples:
        >>> from oodbench.contracts import Scoring
        >>> Scoring(upsample="score").identity()
        {'upsample': 'score'}
    """

    upsample: Literal["logits", "score", "given"] = "logits"
    resize: Resize = "bilinear"

    @property
    def is_external(self) -> bool:
        """Whether other code wrote the score maps."""
        return self.upsample == "given"

    def record(self) -> dict[str, Any]:
        """Return all fields by name, as the files of a run store them."""
        return asdict(self)

    def identity(self) -> dict[str, Any]:
        """Return the fields that differ from their defaults, by which stored results are recognised.

        A later version can therefore add a field with a default and still recognise older results.
        """
        return {f.name: value for f in fields(self) if (value := getattr(self, f.name)) != f.default}


@dataclass(frozen=True)
class Protocol:
    """A set of rules that turns scores with labels into metrics.

    Attributes:
        name: The name in commands and functions.
        source: The published evaluation code whose rules these are.
        pooling: `pixels`: the pixels of all frames count together; `frames`: the mean over the metrics of each frame.
        average_precision: `steps`: the sum over distinct thresholds of (recall gained) x precision, as in scikit-learn;
            `trapezoid`: the area under straight lines between the points of the precision-recall curve.
        tpr: The true positive rate at which the false positive rate is read, 0.95 for FPR95.
        fpr: The rule for reading the false positive rate at `tpr`, with thresholds in descending order. `first`: at the
            first threshold whose true positive rate reaches `tpr`. `nearest`: at the threshold whose true positive rate
            is nearest to `tpr`; of two equally near thresholds, the one with the larger false positive rate counts.
            `interpolated`: on straight lines between the points of the ROC curve. `strict`: at the first vertex of the
            ROC curve above `tpr`, without the vertices between two equal steps.
        precision: The number format in which scores are compared: `float32`, as they are computed, or `float16`, as
            SegmentMeIfYouCan stores them.
        thresholds: `all`: all distinct scores; `percentiles`: 384 percentiles of the anomalous and 384 of the
            in-distribution scores of each frame.
        void: The treatment of void pixels, which are labelled neither in-distribution nor anomalous: they are
            `dropped`, or counted as `in-distribution`.
        frames_without_anomaly: Frames without an anomaly are `counted` with all their pixels, are `skipped`, or are
            `refused`, which makes the metrics undefined.
        components: Whether the metrics of whole objects (sIoU, PPV, F1*) are computed, too.

    Examples:
        >>> from oodbench.metrics import PROTOCOLS
        >>> protocol = PROTOCOLS["smiyc"]
        >>> protocol.precision, protocol.components, protocol.fpr_name, protocol.is_pooled
        ('float16', True, 'FPR95', False)
    """

    name: PublicName
    source: Note = ""
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
        """Whether `pooling` is `pixels`, `thresholds` is `all`, `average_precision` is `steps` and `fpr` is `first`."""
        rules = (self.pooling, self.thresholds, self.average_precision, self.fpr)
        return rules == ("pixels", "all", "steps", "first")

    @property
    def has_sketch(self) -> bool:
        """Whether the metrics can be computed from counts of each frame's scores in bins that all frames share."""
        return self.thresholds == "all"

    def record(self) -> dict[str, Any]:
        """Return all fields by name, as the files of a run store them."""
        return asdict(self)

    def identity(self) -> dict[str, Any]:
        """Return the fields that differ from their defaults, by which stored results are recognised.

        A later version can therefore add a field with a default and still recognise older results.
        """
        return {f.name: value for f in fields(self) if (value := getattr(self, f.name)) != f.default}
