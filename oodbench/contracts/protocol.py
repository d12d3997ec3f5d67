"""How scores become numbers. Both records are part of the identity of every number that is stored."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from oodbench.types import Resize


@dataclass(frozen=True)
class Scoring:
    """Where scores are computed, and how they come to the label's resolution.

    Attributes:
        upsample: `logits`: class maps are brought to the label's resolution and scored there (what most papers
            evaluate); `score`: they are scored on the network's grid and the score is brought there. Scores on
            features are always computed on the features' grid. The two differ, by up to .27 in MSP. `given`: the
            scores were read from files; those that are smaller than the labels are brought there.
        resize: the filter that brings either there, without antialiasing. `bilinear`: with half-pixel centres, the
            borders of the two grids lie on each other; `bilinear-aligned`: the centres of their corner pixels do, as
            with align_corners=True in torch.
    """

    upsample: Literal["logits", "score", "given"] = "logits"
    resize: Resize = "bilinear"

    def record(self) -> dict[str, Any]:
        """As it stands in rows and plans."""
        return asdict(self)

    def identity(self) -> dict[str, Any]:
        """What differs from the defaults: a later version may add a field, and stored numbers keep their names."""
        return {f.name: value for f in fields(self) if (value := getattr(self, f.name)) != f.default}


@dataclass(frozen=True)
class Protocol:
    """How labelled scores are summed up.

    Attributes:
        name: the public name.
        source: whose rules these are.
        pooling: `pixels`: all pixels of the set in one pool; `frames`: the mean over the frames' own metrics.
        average_precision: `steps`: the sum over distinct thresholds of (recall gained) x precision, as scikit-learn;
            `trapezoid`: the area under straight lines between the points of the precision-recall curve.
        tpr: the true positive rate at which the false positive rate is read.
        fpr: where it is read. Coming down through the distinct thresholds: `first`: where the true positive rate is
            reached; `nearest`: where it is nearest, of two as near the one with the larger false positive rate;
            `interpolated`: on straight lines between the points of the ROC curve; `strict`: at the first vertex of the
            ROC curve above it, vertices between two equal steps left out.
        precision: `float32`, as scored, or `float16`, as stored by SegmentMeIfYouCan.
        thresholds: `all` distinct scores, or `percentiles`: 384 of the anomalous and 384 of the in-distribution scores
            of each frame.
        void: `dropped`, or counted as `in-distribution`.
        frames_without_anomaly: `counted` with all their pixels, `skipped`, or `refused`.
        components: whole objects are counted too (oodbench.metrics.components).
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
        """The name of the false positive rate: `FPR95` for a true positive rate of 0.95."""
        return f"FPR{self.tpr * 100:g}"

    @property
    def pixel_metrics(self) -> tuple[str, str, str]:
        """The names of the metrics of pixels, in their order: average precision, false positive rate, AUROC."""
        return ("AP", self.fpr_name, "AUROC")

    @property
    def is_pooled(self) -> bool:
        """Whether all distinct scores count in one pool, and FPR is read at the first threshold."""
        rules = (self.pooling, self.thresholds, self.average_precision, self.fpr)
        return rules == ("pixels", "all", "steps", "first")

    def record(self) -> dict[str, Any]:
        """As it stands in rows and plans."""
        return asdict(self)

    def identity(self) -> dict[str, Any]:
        """What differs from the defaults: a later version may add a field, and stored numbers keep their names."""
        return {f.name: value for f in fields(self) if (value := getattr(self, f.name)) != f.default}
